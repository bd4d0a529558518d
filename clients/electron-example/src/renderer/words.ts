import type { Job } from "@rushes/client";

export const STATUS: Record<Job["status"], string> = {
  QUEUED: "Waiting",
  RUNNING: "Being made",
  SUCCEEDED: "Done",
  FAILED: "Failed",
  CANCELED: "Canceled",
};

/** When it is expected to be done, for a person; empty where nobody can know. */
export function readyBy({ expected_finish }: Job): string {
  if (expected_finish === null) return "";
  const latest = new Date(expected_finish.latest);
  return `ready by ${latest.toLocaleTimeString([], { timeStyle: "short" })}`;
}
