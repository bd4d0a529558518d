import {
  createContext,
  type Dispatch,
  type ReactNode,
  type SetStateAction,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
} from "react";
import type { RushesClient } from "./client";
import type { RushesError } from "./errors";
import type { Job, JobFilter } from "./types";

const Client = createContext<RushesClient | undefined>(undefined);

/** Gives the client to every hook below. Make it once, outside of components: a new one starts all hooks anew. */
export function RushesProvider({ client, children }: { client: RushesClient; children?: ReactNode }) {
  return <Client.Provider value={client}>{children}</Client.Provider>;
}

/** The client, for calls from event handlers. */
export function useRushes(): RushesClient {
  const client = useContext(Client);
  if (client === undefined)
    throw new Error("Put <RushesProvider client={…}> around the components that use Rushes");
  return client;
}

export interface UseJob {
  /** As the server last told it; undefined until it did. */
  job: Job | undefined;
  /** What the server refused: the job, or the last `cancel`. An unreachable server is none: that passes by itself. */
  error: RushesError | undefined;
  /** Nothing has come yet. */
  isLoading: boolean;
  /** Asks the server to cancel the job, which shows it when it is so. Never rejects: a refusal is the `error`. */
  cancel: () => Promise<void>;
}

/** One job, live until it has finished. Without an id nothing is asked. */
export function useJob(jobId: string | null | undefined): UseJob {
  const client = useRushes();
  const watch = useCallback(
    (signal: AbortSignal) => client.watchJob(jobId ?? "", { signal }),
    [client, jobId],
  );
  const { value, error, isLoading, attempt } = useLatest(jobId ? watch : undefined);
  const cancel = useCallback(async () => {
    if (jobId) await attempt(() => client.cancelJob(jobId));
  }, [client, jobId, attempt]);
  return { job: value, error, isLoading, cancel };
}

export interface UseJobs {
  /** The first page, newest first; undefined until it came. */
  jobs: Job[] | undefined;
  /** What the server refused, say the key. */
  error: RushesError | undefined;
  isLoading: boolean;
}

/** The newest jobs, live; at most 50 unless `limit` says otherwise. */
export function useJobs(filter: JobFilter = {}): UseJobs {
  const client = useRushes();
  const wanted = JSON.stringify(filter); // a filter written in the JSX is a new object at each render
  const watch = useCallback(
    (signal: AbortSignal) => client.watchJobs(JSON.parse(wanted), { signal }),
    [client, wanted],
  );
  const { value, error, isLoading } = useLatest(watch);
  return { jobs: value, error, isLoading };
}

type Watch<Value> = (signal: AbortSignal) => AsyncIterable<Value>;

interface Seen<Value> {
  /** What it was seen by: nothing of an earlier watch is ever shown under a later one. */
  watch: Watch<Value> | undefined;
  value?: Value;
  error?: RushesError;
}

/** What `watch` told last. It runs while the component is there, and anew when it is another function. */
function useLatest<Value>(watch: Watch<Value> | undefined) {
  const [seen, setSeen] = useState<Seen<Value>>({ watch });
  const watching = useRef<AbortSignal>(undefined);
  useEffect(() => {
    if (watch === undefined) return;
    const controller = new AbortController();
    watching.current = controller.signal;
    follow(watch, controller.signal, setSeen);
    return () => controller.abort();
  }, [watch]);

  const attempt = useCallback(
    async (call: () => Promise<unknown>) => {
      const signal = watching.current;
      await call().catch((error) => {
        if (signal?.aborted === false) setSeen(failed(watch, error));
      });
    },
    [watch],
  );
  const { value, error } = seen.watch === watch ? seen : {};
  return {
    value,
    error,
    isLoading: watch !== undefined && value === undefined && error === undefined,
    attempt,
  };
}

async function follow<Value>(
  watch: Watch<Value>,
  signal: AbortSignal,
  tell: Dispatch<SetStateAction<Seen<Value>>>,
): Promise<void> {
  try {
    for await (const value of watch(signal)) {
      if (signal.aborted) return;
      tell({ watch, value });
    }
  } catch (error) {
    if (!signal.aborted) tell(failed(watch, error as RushesError));
  }
}

/** A failure beside what was seen before it. */
function failed<Value>(watch: Watch<Value> | undefined, error: RushesError) {
  return (before: Seen<Value>): Seen<Value> => ({ ...(before.watch === watch ? before : { watch }), error });
}
