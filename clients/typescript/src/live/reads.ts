import { onAbort } from "../abort";
import { sleep } from "../time";
import type { Job } from "../types";

/** What the server takes in one `GET /jobs?ids=`. */
const AT_ONCE = 200;
/** Anything else would have the server refuse the ids of everybody else too. */
const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Waiter {
  id: string;
  found(job: Job | undefined): void;
  failed(error: unknown): void;
}

/** Reads these jobs, leaving out those that there are not; fails only when it is refused for good. */
export type ReadJobs = (ids: string[], signal: AbortSignal) => Promise<Job[]>;

/** Single reads made into few: what is asked for while one request is under way goes into the next, together. */
export class Reads {
  readonly #read: ReadJobs;
  readonly #waiting = new Set<Waiter>();
  #running: AbortController | undefined;

  constructor(read: ReadJobs) {
    this.#read = read;
  }

  /** The job as it is after this call, undefined when there is none. Rejects with the signal's reason. */
  job(id: string, signal: AbortSignal | undefined): Promise<Job | undefined> {
    if (!JOB_ID.test(id)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const settle = <Value>(settled: (value: Value) => void) => {
        return (value: Value) => {
          forget();
          this.#leave(waiter);
          settled(value);
        };
      };
      const waiter: Waiter = { id, found: settle(resolve), failed: settle(reject) };
      const forget = onAbort(signal, () => waiter.failed(signal?.reason));
      this.#join(waiter);
    });
  }

  #join(waiter: Waiter): void {
    this.#waiting.add(waiter);
    if (this.#running !== undefined) return;
    const running = new AbortController();
    this.#running = running;
    const ended = () => undefined; // only ever by the signal
    this.#run(running.signal).catch(ended);
  }

  #leave(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    if (this.#waiting.size > 0) return;
    this.#running?.abort();
    this.#running = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    // A turn later, so that what is asked for in one go is read in one go.
    for (await sleep(0, signal); !signal.aborted; ) {
      const [ids, batch] = this.#next();
      try {
        const jobs = new Map((await this.#read(ids, signal)).map((job) => [job.job_id, job]));
        for (const waiter of batch) waiter.found(jobs.get(waiter.id));
      } catch (error) {
        signal.throwIfAborted();
        for (const waiter of batch) waiter.failed(error);
      }
    }
  }

  #next(): [string[], Waiter[]] {
    const ids = new Set<string>();
    const batch = [];
    for (const waiter of this.#waiting) {
      if (ids.size === AT_ONCE && !ids.has(waiter.id)) continue;
      ids.add(waiter.id);
      batch.push(waiter);
    }
    return [[...ids], batch];
  }
}
