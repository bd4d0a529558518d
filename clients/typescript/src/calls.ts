import { RushesError, refusal, unreachable } from "./errors";
import { backOff, sleep } from "./time";

/** What the generated functions answer. */
export interface Outcome<Data> {
  data?: Data | undefined;
  error?: unknown;
  response?: Response | undefined;
}

export interface Answer<Data> {
  data: Data;
  response: Response;
}

/** The answer of one call; RushesError when it is no success, the signal's reason when it was aborted. */
export async function answered<Data>(
  outcome: Promise<Outcome<Data>>,
  signal?: AbortSignal | null,
): Promise<Answer<Data>> {
  const { data, error, response } = await outcome.catch((thrown) => ({
    data: undefined,
    error: thrown,
    response: undefined,
  }));
  signal?.throwIfAborted();
  if (response === undefined) throw unreachable(error);
  if (!response.ok) throw refusal(response, error);
  return { data: data as Data, response };
}

/** For calls that may be made twice: again, with growing pauses, while the failure is one that may pass. */
export async function persistently<Data>(
  call: () => Promise<Outcome<Data>>,
  signal?: AbortSignal | null,
  tries = 4,
): Promise<Answer<Data>> {
  for (let tried = 1; ; tried++) {
    try {
      return await answered(call(), signal);
    } catch (error) {
      if (!(error instanceof RushesError) || !error.retryable || tried === tries) throw error;
      await sleep(Math.max(backOff(tried), (error.retryAfter ?? 0) * 1000), signal);
    }
  }
}
