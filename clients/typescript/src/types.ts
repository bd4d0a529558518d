import type {
  CreateJobData,
  EstimateView,
  JobDetail,
  JobStatus,
  JobType,
  JobView,
  Stitch,
} from "./generated";

type CreateJob = CreateJobData["body"];

/** The params of each job type, by its name. */
export type ParamsOf = { [Kind in JobType]: Extract<CreateJob, { type: Kind }>["params"] };

/** What every job may have beside its params. */
export interface JobOptions {
  /** The same key and body is the same job. Without one each call makes its own, so that its repeats make one job. */
  idempotencyKey?: string | undefined;
  labels?: Record<string, string> | undefined;
  /** -100 to 100; higher goes first. */
  priority?: number | undefined;
  /** The most the job may cost in US dollars, over all its attempts. */
  maxCostUsd?: number | undefined;
  webhookUrl?: string | undefined;
  signal?: AbortSignal | undefined;
}

export type StitchOptions = Pick<JobOptions, "idempotencyKey" | "maxCostUsd" | "webhookUrl" | "signal">;
/** The timeline of an EXPORT job. */
export type Timeline = Omit<Stitch, "max_cost_usd" | "webhook_url">;

export interface JobFilter {
  status?: JobStatus | undefined;
  type?: JobType | undefined;
  /** 1 to 200, 50 when left out. */
  limit?: number | undefined;
}

export interface ListOptions extends JobFilter {
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface JobPage {
  jobs: Job[];
  /** Leads to the next page; undefined on the last one. */
  nextCursor: string | undefined;
}

export interface UploadOptions {
  /** What the file is called; a `File` knows it by itself. Its extension tells the type. */
  name?: string | undefined;
  /** As `video/mp4`, where neither name nor file tells. */
  contentType?: string | undefined;
  /** Bytes sent so far, and in all. */
  onProgress?: ((sent: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type Job = JobView;
export type Estimate = EstimateView;
export type { JobDetail, JobStatus, JobType };

/** A line of the server's append-only log, as `GET /events` tells it. */
export interface JobEvent {
  /** Grows with each event. */
  id: number;
  event: "status" | "progress" | "deleted";
  data: { job_id: string } & Partial<
    Pick<Job, "type" | "status" | "progress" | "stage" | "stage_message" | "error" | "error_code" | "version">
  >;
}

/** Whether a job has come to its end: it never changes any more. */
export function isFinished(job: Pick<Job, "status">): boolean {
  return job.status === "SUCCEEDED" || job.status === "FAILED" || job.status === "CANCELED";
}
