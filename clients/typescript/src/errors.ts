import type { Problem, ProblemField } from "./generated";

/** Every failure of a call: what the server said (RFC 9457), or that it could not be reached. */
export class RushesError extends Error {
  override readonly name = "RushesError";
  /** Stable, for programs: `INVALID_REQUEST`, `NOT_FOUND`, …; `UNREACHABLE` where no answer came. */
  readonly code: string;
  /** The HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Whether the same call may pass later. */
  readonly retryable: boolean;
  /** Seconds to wait before that, where the server said so. */
  readonly retryAfter: number | undefined;
  /** The wrong fields, each with a JSON pointer. */
  readonly fields: ProblemField[];
  readonly requestId: string | undefined;

  constructor(problem: Partial<Problem>, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(problem.detail ?? "The server did not say what is wrong", { cause: options.cause });
    this.code = problem.code ?? "UNKNOWN";
    this.status = problem.status ?? 0;
    this.retryable = problem.retryable ?? false;
    this.retryAfter = options.retryAfter;
    this.fields = problem.errors ?? [];
    this.requestId = problem.request_id ?? undefined;
  }
}

/** What an answer that is no success comes to. */
export function refusal(response: Response, body: unknown): RushesError {
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const options = Number.isFinite(retryAfter) ? { retryAfter } : {};
  if (isProblem(body)) return new RushesError(body, options);
  // A proxy in between answered: its gateway errors and overload pass, the rest does not.
  const retryable = response.status === 408 || response.status === 429 || response.status >= 500;
  const detail = `The server answered ${response.status}`;
  return new RushesError({ code: "UNEXPECTED", status: response.status, retryable, detail }, options);
}

/** No answer came at all. */
export function unreachable(cause: unknown): RushesError {
  return new RushesError(
    { code: "UNREACHABLE", retryable: true, detail: "The server cannot be reached" },
    { cause },
  );
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "detail" in body;
}
