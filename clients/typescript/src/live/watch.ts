import { RushesError } from "../errors";
import { sleep } from "../time";
import { isFinished, type Job } from "../types";
import { Bell } from "./bell";
import type { Feed } from "./feed";
import type { Reads } from "./reads";

/** Between two reads of a list: what happens meanwhile is in the next one. */
const LIST_PAUSE_MS = 250;

/** The job as it is now and at every change; who is slower than the changes gets the newest. */
export async function* watchJob(
  feed: Feed,
  reads: Reads,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Job, void, undefined> {
  const bell = new Bell();
  let known: Job | undefined;
  const leave = feed.subscribe({
    event({ data }) {
      if (data.job_id === id && !(known && data.version && data.version <= known.version)) bell.ring();
    },
    refresh: () => bell.ring(),
  });
  try {
    while (true) {
      const job = await reads.job(id, signal);
      if (job === undefined)
        throw new RushesError({ code: "NOT_FOUND", status: 404, detail: "There is no such job" });
      const isNews = !isSame(job, known);
      known = job;
      if (isNews) yield job;
      if (isFinished(job)) return;
      await bell.heard(signal);
    }
  } finally {
    leave();
  }
}

/** What `read` says now and after every change of any job, where that is something else than before. */
export async function* watchList(
  feed: Feed,
  read: () => Promise<Job[]>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Job[], void, undefined> {
  const bell = new Bell();
  const leave = feed.subscribe({ event: () => bell.ring(), refresh: () => bell.ring() });
  let known: Job[] | undefined;
  try {
    while (true) {
      const jobs = await read();
      const isNews = !isSame(jobs, known);
      known = jobs;
      if (isNews) yield jobs;
      await sleep(LIST_PAUSE_MS, signal);
      await bell.heard(signal);
    }
  } finally {
    leave();
  }
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
