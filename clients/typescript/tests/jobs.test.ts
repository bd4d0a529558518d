import { RushesClient, RushesError } from "@rushes/client";
import { describe, expect, inject, test } from "vitest";
import { cutOff, network } from "./network";

const baseUrl = inject("serverUrl");
const client = new RushesClient({ baseUrl });
const SPEECH = { text: "Good morning." };
/** Long enough not to be finished before it is canceled. */
const LONG = { prompt: "A fjord", duration: 60, resolution: "1080p" } as const;
const MISSING = "01a1fdfb-da4c-7c19-85a7-118ca52efa23";

/** What a call is refused with. */
async function refusalOf(call: Promise<unknown>): Promise<RushesError> {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(RushesError);
  return error;
}

describe("createJob", () => {
  test("a job runs to its end and its output can be fetched", async () => {
    const job = await client.createJob("TTS", SPEECH, { labels: { scene: "12a" }, priority: 100 });
    expect(job).toMatchObject({ type: "TTS", labels: { scene: "12a" }, priority: 100 });
    const done = await client.waitForJob(job.job_id);
    expect(done).toMatchObject({ status: "SUCCEEDED", progress: 100, error: null });
    const output = await fetch(done.output_urls[0] as string);
    expect(output.headers.get("Content-Type")).toMatch(/^audio\//);
    expect((await output.arrayBuffer()).byteLength).toBe(done.outputs[0]?.bytes);
    const { attempt_history } = await client.getJob(job.job_id);
    expect(attempt_history).toHaveLength(1);
  });

  test("the same key is the same job, another body under it is refused", async () => {
    const options = { idempotencyKey: crypto.randomUUID() };
    const first = await client.createJob("TTS", SPEECH, options);
    const again = await client.createJob("TTS", SPEECH, options);
    expect(again.job_id).toBe(first.job_id);
    const error = await refusalOf(client.createJob("TTS", { text: "Good night." }, options));
    expect(error).toMatchObject({ status: 422, retryable: false });
    const other = await client.createJob("TTS", SPEECH);
    expect(other.job_id).not.toBe(first.job_id);
    await Promise.all([first, other].map((job) => client.cancelJob(job.job_id).catch(() => undefined)));
  });

  test("an answer that is lost on the way makes no second job", async () => {
    let lost = 0;
    const bad = network(async (request, real) => {
      const response = await real();
      if (request.method !== "POST" || lost++ > 0) return response;
      return cutOff();
    });
    const label = { once: crypto.randomUUID() };
    const flaky = new RushesClient({ baseUrl, fetch: bad.fetch });
    const job = await flaky.createJob("TTS", SPEECH, { labels: label });
    expect(bad.to("/jobs")).toHaveLength(2);
    const { jobs } = await client.listJobs({ limit: 200 });
    expect(jobs.filter(({ labels }) => labels.once === label.once).map((one) => one.job_id)).toEqual([
      job.job_id,
    ]);
    await client.cancelJob(job.job_id).catch(() => undefined);
  });

  test("a wrong value is refused with the field's name", async () => {
    const error = await refusalOf(client.createJob("RENDER", { prompt: "A fjord", duration: -1 }));
    expect(error).toMatchObject({ status: 422, code: "INVALID_REQUEST", retryable: false });
    expect(error.fields.map((field) => field.pointer)).toContain("/params/duration");
    expect(error.requestId).toMatch(/^[0-9a-f]{8,}/);
  });

  test("nobody there is an error that may pass, after some tries", async () => {
    const nobody = network(cutOff);
    const lonely = new RushesClient({ baseUrl, fetch: nobody.fetch });
    const error = await refusalOf(lonely.createJob("TTS", SPEECH));
    expect(error).toMatchObject({ code: "UNREACHABLE", status: 0, retryable: true });
    expect(nobody.seen).toHaveLength(4);
    expect(new Set(nobody.seen.map(({ headers }) => headers.get("Idempotency-Key"))).size).toBe(1);
  });

  test("an aborted call rejects with the signal's reason", async () => {
    const reason = new Error("changed my mind");
    await expect(client.createJob("TTS", SPEECH, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const aborting = new AbortController();
    const hanging = network(async (request) => {
      aborting.abort(reason);
      return fetch(request);
    });
    const slow = new RushesClient({ baseUrl, fetch: hanging.fetch });
    await expect(slow.createJob("TTS", SPEECH, { signal: aborting.signal })).rejects.toBe(reason);
  });
});

test("a job can be canceled, retried, listed and deleted", async () => {
  const waiting = await client.createJob("RENDER", LONG);
  await client.cancelJob(waiting.job_id);
  const canceled = await client.waitForJob(waiting.job_id);
  expect(canceled.status).toBe("CANCELED");
  const retried = await client.retryJob(canceled.job_id);
  expect(retried).toMatchObject({ retry_of: canceled.job_id, params: canceled.params });
  await client.cancelJob(retried.job_id);
  await client.waitForJob(retried.job_id);
  const page = await client.listJobs({ status: "CANCELED", type: "RENDER", limit: 1 });
  expect(page.jobs[0]?.job_id).toBe(retried.job_id);
  const next = await client.listJobs({
    status: "CANCELED",
    type: "RENDER",
    limit: 200,
    cursor: page.nextCursor as string,
  });
  expect(next.jobs[0]?.job_id).toBe(canceled.job_id);
  expect(next.nextCursor).toBeUndefined();
  await client.deleteJob(retried.job_id);
  expect(await refusalOf(client.getJob(retried.job_id))).toMatchObject({ status: 404, code: "NOT_FOUND" });
});

test("what may not be done is refused in words", async () => {
  expect(await refusalOf(client.cancelJob(MISSING))).toMatchObject({
    status: 404,
    message: "There is no such job",
  });
  const job = await client.createJob("RENDER", LONG);
  expect(await refusalOf(client.deleteJob(job.job_id))).toMatchObject({ status: 409, code: "NOT_FINISHED" });
  await client.cancelJob(job.job_id);
});

test("an estimate tells what a job would cost, and submits nothing", async () => {
  const looking = network();
  const estimate = await new RushesClient({ baseUrl, fetch: looking.fetch }).estimate("TTS", SPEECH);
  expect(estimate.high_seconds).toBeGreaterThanOrEqual(estimate.low_seconds);
  expect(looking.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /estimate"]);
});
