import { type Answer, answered, type Outcome, persistently } from "./calls";
import * as api from "./generated";
import { type Client, createClient, createConfig } from "./generated/client";
import { Feed } from "./live/feed";
import { Reads } from "./live/reads";
import { watchJob, watchList } from "./live/watch";
import type {
  Estimate,
  Job,
  JobDetail,
  JobFilter,
  JobOptions,
  JobPage,
  JobType,
  ListOptions,
  ParamsOf,
  StitchOptions,
  Timeline,
  UploadOptions,
} from "./types";
import { mediaType, put } from "./upload";

export interface ClientOptions {
  /** Where the server is, say `http://127.0.0.1:8000`. */
  baseUrl: string;
  /** Needed where the server has keys. */
  apiKey?: string | undefined;
  /** What makes the requests, in place of the global `fetch`. */
  fetch?: typeof fetch | undefined;
}

interface Abortable {
  signal?: AbortSignal | undefined;
}

/**
 * The Rushes API: jobs, uploads, and jobs that tell by themselves what becomes of them.
 *
 * Every method rejects with RushesError when the server refuses or stays out of reach (then it has been tried four
 * times), and with the signal's reason when it is aborted. All watching shares one connection.
 */
export class RushesClient {
  readonly #client: Client;
  readonly #feed = new Feed((after, signal) => this.#openEvents(after, signal));
  readonly #reads = new Reads((ids, signal) => this.#readJobs(ids, signal));

  constructor(options: ClientOptions) {
    const { apiKey, fetch } = options;
    this.#client = createClient(
      createConfig({
        baseUrl: options.baseUrl.replace(/\/+$/, ""),
        auth: apiKey,
        fetch,
      }),
    );
  }

  /** Submits a job; it is on the server's disk when this resolves. */
  async createJob<T extends JobType>(type: T, params: ParamsOf[T], options: JobOptions = {}): Promise<Job> {
    const body = {
      type,
      params,
      labels: options.labels,
      priority: options.priority,
      max_cost_usd: options.maxCostUsd,
      webhook_url: options.webhookUrl,
    } as api.CreateJobData["body"];
    return this.#submit((call) => api.createJob({ ...call, body }), options);
  }

  /** Submits an EXPORT job. */
  async stitchTimeline(timeline: Timeline, options: StitchOptions = {}): Promise<Job> {
    const { maxCostUsd, webhookUrl } = options;
    const body = { ...timeline, max_cost_usd: maxCostUsd, webhook_url: webhookUrl };
    return this.#submit((call) => api.stitchTimeline({ ...call, body }), options);
  }

  /** Submits a finished job's type and params as a new job. */
  async retryJob(id: string, options: Submission = {}): Promise<Job> {
    return this.#submit((call) => api.retryJob({ ...call, path: { job_id: id } }), options);
  }

  /** The job as it is now, with every try it has had. */
  async getJob(id: string, options: Abortable = {}): Promise<JobDetail> {
    return this.#call((call) => api.getJob({ ...call, path: { job_id: id } }), options.signal);
  }

  /** Jobs, newest first, a page at a time. */
  async listJobs(options: ListOptions = {}): Promise<JobPage> {
    const { signal, ...query } = options;
    const { data, response } = await this.#answer((call) => api.listJobs({ ...call, query }), signal);
    return { jobs: data, nextCursor: nextCursor(response) };
  }

  /** Stops a job. It is CANCELED once nothing of it runs any more: watch it. */
  async cancelJob(id: string, options: Abortable = {}): Promise<Job> {
    await this.#call((call) => api.cancelJob({ ...call, path: { job_id: id } }), options.signal);
    return this.getJob(id, options);
  }

  /** Forgets a finished job and removes its outputs. */
  async deleteJob(id: string, options: Abortable = {}): Promise<void> {
    await this.#call((call) => api.deleteJob({ ...call, path: { job_id: id } }), options.signal);
  }

  /** How long such a job takes and what it costs; nothing is submitted. */
  async estimate<T extends JobType>(
    type: T,
    params: ParamsOf[T],
    options: Abortable = {},
  ): Promise<Estimate> {
    const body = { type, params } as api.EstimateJobData["body"];
    return this.#call((call) => api.estimateJob({ ...call, body }), options.signal);
  }

  /** Puts a file into the server's store and resolves to its `storage://` address, which params take. */
  async uploadFile(file: Blob, options: UploadOptions = {}): Promise<string> {
    const filename = options.name ?? (file instanceof File ? file.name : "file");
    const body = {
      filename: filename.slice(-200),
      content_type: options.contentType ?? mediaType(filename, file.type),
      bytes: file.size,
    };
    const place = await this.#call((call) => api.createUpload({ ...call, body }), options.signal);
    const { fetch } = this.#client.getConfig();
    await put(file, place, { ...options, fetch: fetch ?? globalThis.fetch });
    return place.url;
  }

  /**
   * The job as it is now and at every change, the finished job last; who is slower than the changes gets the newest.
   *
   * A server that is away for a while is waited for. Where no stream comes through, the job is read every two seconds.
   */
  watchJob(id: string, options: Abortable = {}): AsyncGenerator<Job, void, undefined> {
    return watchJob(this.#feed, this.#reads, id, options.signal);
  }

  /** The first page of the jobs, newest first, now and at every change; it ends by the signal or a `break` alone. */
  watchJobs(filter: JobFilter = {}, options: Abortable = {}): AsyncGenerator<Job[], void, undefined> {
    const { signal } = options;
    const query = { ...filter };
    const read = async () =>
      (await this.#answer((call) => api.listJobs({ ...call, query }), signal, FOREVER)).data;
    return watchList(this.#feed, read, signal);
  }

  /** The job once it is finished, whatever became of it. */
  async waitForJob(id: string, options: Abortable = {}): Promise<Job> {
    let last: Job | undefined;
    for await (const job of this.watchJob(id, options)) last = job;
    return last as Job; // a watch that ends has told of the job
  }

  async #submit(call: Call<api.JobCreated, Keyed>, { idempotencyKey, signal }: Submission): Promise<Job> {
    // One for all tries: a job whose answer is lost is not made twice.
    const headers = { "idempotency-key": idempotencyKey ?? newKey() };
    const created = await this.#call((how) => call({ ...how, headers }), signal);
    return this.getJob(created.job_id, { signal });
  }

  async #call<Data>(call: Call<Data>, signal: AbortSignal | undefined): Promise<Data> {
    return (await this.#answer(call, signal)).data;
  }

  #answer<Data>(call: Call<Data>, signal: AbortSignal | undefined, tries?: number): Promise<Answer<Data>> {
    signal?.throwIfAborted();
    return persistently(() => call({ client: this.#client, signal }), signal, tries);
  }

  async #readJobs(ids: string[], signal: AbortSignal): Promise<Job[]> {
    const query = { ids: ids.join(",") };
    return (await this.#answer((call) => api.listJobs({ ...call, query }), signal, FOREVER)).data;
  }

  async #openEvents(after: number | undefined, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const opening = this.#client.get<ReadableStream<Uint8Array>>({
      url: "/events",
      parseAs: "stream",
      security: [{ scheme: "bearer", type: "http" }],
      headers: {
        Accept: "text/event-stream",
        ...(after === undefined ? {} : { "Last-Event-ID": String(after) }),
      },
      cache: "no-store",
      signal,
    });
    return (await answered(opening, signal)).data;
  }
}

/** One of the generated functions with what it needs but for what every call has. */
type Call<Data, More = unknown> = (
  call: { client: Client; signal: AbortSignal | undefined } & More,
) => Promise<Outcome<Data>>;

type Keyed = { headers: { "idempotency-key": string } };
type Submission = Pick<JobOptions, "idempotencyKey" | "signal">;

const FOREVER = Number.POSITIVE_INFINITY;

function nextCursor(response: Response): string | undefined {
  return /[?&]cursor=([0-9a-f-]+)[^>]*>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
}

/** `crypto.randomUUID` is missing in pages of a plain http address. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
