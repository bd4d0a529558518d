export { type ClientOptions, RushesClient } from "./client";
export { RushesError } from "./errors";
export type { AttemptView, ExpectedFinish, OutputView, ProblemField } from "./generated";
export {
  type Estimate,
  isFinished,
  type Job,
  type JobDetail,
  type JobFilter,
  type JobOptions,
  type JobPage,
  type JobStatus,
  type JobType,
  type ListOptions,
  type ParamsOf,
  type StitchOptions,
  type Timeline,
  type UploadOptions,
} from "./types";
