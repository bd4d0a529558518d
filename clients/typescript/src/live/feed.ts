import { onAbort } from "../abort";
import { unreachable } from "../errors";
import { backOff, sleep } from "../time";
import type { JobEvent } from "../types";
import { blocksOf, chunksOf, within } from "./sse";

/** How old what is known may be where no stream comes through. */
const POLL_MS = 2000;
/** And where one does: the place in line and the expected finish move without an event. */
const REFRESH_MS = 10_000;
/** The server says something every 15 s at the latest. */
const SILENCE_MS = 45_000;

export interface FeedListener {
  /** Something happened; in order, none left out and none twice while the feed is open. */
  event(event: JobEvent): void;
  /** What is known may be old: read it again. */
  refresh(): void;
}

/** Opens `GET /events` after an id. */
export type OpenStream = (
  lastEventId: number | undefined,
  signal: AbortSignal,
) => Promise<ReadableStream<Uint8Array>>;

/**
 * The events of all jobs over one connection, however many listen; none while nobody does.
 *
 * A connection that breaks is opened again after the last event that came, so nothing is missed. Who may not read the
 * stream learns it from reading the jobs, which the listeners are told to do all the while.
 */
export class Feed {
  readonly #open: OpenStream;
  readonly #listeners = new Set<FeedListener>();
  #running: AbortController | undefined;
  #isLive = false;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  subscribe(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    if (this.#running === undefined) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  #start(): void {
    const running = new AbortController();
    this.#running = running;
    const ended = () => undefined; // only ever by the signal
    this.#follow(running.signal).catch(ended);
    this.#poll(running.signal).catch(ended);
  }

  #stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#isLive = false;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    for (let waited = POLL_MS; ; waited += POLL_MS) {
      await sleep(POLL_MS, signal);
      if (this.#isLive && waited < REFRESH_MS) continue;
      waited = 0;
      this.#each((listener) => listener.refresh());
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let last: number | undefined;
    let failures = 0;
    while (true) {
      try {
        for await (const id of this.#events(last, signal)) {
          last = id;
          failures = 0;
        }
      } catch {
        // Whatever broke it, it is opened again; the listeners are told to read meanwhile.
      }
      signal.throwIfAborted();
      this.#isLive = false;
      failures += 1;
      await sleep(backOff(failures), signal);
    }
  }

  /** The ids of one connection's events, each told already. */
  async *#events(last: number | undefined, signal: AbortSignal): AsyncGenerator<number> {
    const connection = new AbortController();
    const leave = onAbort(signal, () => connection.abort());
    const late = () => unreachable("silence");
    try {
      const body = await within(this.#open(last, connection.signal), SILENCE_MS, late);
      for await (const block of blocksOf(chunksOf(body, SILENCE_MS, late))) {
        if (signal.aborted) return;
        const id = Number(block.id);
        if (!this.#isLive) this.#opened(last, id);
        if (block.data !== "") this.#tell(id, block.event, block.data);
        yield id;
      }
    } finally {
      leave();
      connection.abort();
    }
  }

  #opened(last: number | undefined, id: number): void {
    this.#isLive = true;
    // Smaller than what was seen: the server began anew, and what happened before is not in its log.
    if (last === undefined || id < last) this.#each((listener) => listener.refresh());
  }

  #tell(id: number, name: string, data: string): void {
    const event = { id, event: name, data: JSON.parse(data) } as JobEvent;
    this.#each((listener) => listener.event(event));
  }

  #each(tell: (listener: FeedListener) => void): void {
    for (const listener of [...this.#listeners]) tell(listener);
  }
}
