import { isFinished, type Job, RushesClient } from "@rushes/client";
import { createClient, createConfig, createKey, listJobs, revokeKey } from "@rushes/client/api";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { network } from "./network";
import { type RunningServer, startServer, until } from "./server";

const SPEECH = { text: "Good morning." };
const OWNER = "the-right-one";
const MISSING = "01a1fdfb-da4c-7c19-85a7-118ca52efa23";

/** All that is told of a job, to its end. */
async function toldOf(watching: AsyncIterable<Job>): Promise<Job[]> {
  const told: Job[] = [];
  for await (const job of watching) told.push(job);
  return told;
}

function expectWhole(told: Job[], id: string): void {
  expect(new Set(told.map((job) => job.job_id))).toEqual(new Set([id]));
  const versions = told.map((job) => job.version);
  expect(versions).toEqual([...versions].sort((one, other) => one - other));
  expect(told.map(isFinished)).toEqual([...told.slice(1).map(() => false), true]);
}

describe("watching", () => {
  const baseUrl = inject("serverUrl");
  const client = new RushesClient({ baseUrl });

  test("a job is told as it is and at every change, the finished one last", async () => {
    const looking = network();
    const watcher = new RushesClient({ baseUrl, fetch: looking.fetch });
    const { job_id } = await watcher.createJob("TTS", SPEECH);
    const told = await toldOf(watcher.watchJob(job_id));
    expectWhole(told, job_id);
    expect(told.at(-1)).toMatchObject({ status: "SUCCEEDED", progress: 100 });
    expect(told.at(-1)?.output_urls[0]).toMatch(/^http/);
    expect(looking.to("/events")).toHaveLength(1);
    expect(await toldOf(watcher.watchJob(job_id))).toHaveLength(1);
  });

  test.concurrent.each([
    ["is refused", async () => new Response("no streams here", { status: 404 })],
    ["never answers", (request: Request) => hanging(request.signal)],
    ["ends at once", async () => new Response("", { headers: { "Content-Type": "text/event-stream" } })],
  ])("where the stream %s, the job is read every two seconds", async (_, stream) => {
    const looking = network((request, real) => (request.url.endsWith("/events") ? stream(request) : real()));
    const watcher = new RushesClient({ baseUrl, fetch: looking.fetch });
    const { job_id } = await client.createJob("TTS", SPEECH);
    const told = await toldOf(watcher.watchJob(job_id));
    expectWhole(told, job_id);
    expect(new Set(looking.seen.map(({ path }) => path))).toEqual(
      new Set(["/events", `/jobs?ids=${job_id}`]),
    );
  });

  test("the list is told at every change", async () => {
    const aborting = new AbortController();
    const { job_id } = await client.createJob("TTS", SPEECH);
    const statuses: (string | undefined)[] = [];
    const watching = async () => {
      for await (const jobs of client.watchJobs({ type: "TTS", limit: 20 }, aborting)) {
        statuses.push(jobs.find((job) => job.job_id === job_id)?.status);
        if (statuses.at(-1) === "SUCCEEDED") aborting.abort(new Error("seen"));
      }
    };
    await expect(watching()).rejects.toThrow("seen");
    expect(statuses.slice(0, -1)).not.toContain("SUCCEEDED");
  });

  test("a job that there is not is an error", async () => {
    const refusal = { name: "RushesError", status: 404, code: "NOT_FOUND" };
    await expect(client.waitForJob(MISSING)).rejects.toMatchObject(refusal);
    await expect(client.waitForJob("no id at all")).rejects.toMatchObject(refusal);
  });

  test("an aborted watch rejects with the signal's reason and leaves nothing running", async () => {
    const looking = network((request, real) => {
      if (request.url.endsWith("/events")) streams.push(request.signal);
      return real();
    });
    const streams: AbortSignal[] = [];
    const watcher = new RushesClient({ baseUrl, fetch: looking.fetch });
    const { job_id } = await client.createJob("RENDER", { prompt: "A fjord", duration: 60 });
    const aborting = new AbortController();
    const reason = new Error("enough");
    const watching = watcher.watchJob(job_id, aborting);
    expect((await watching.next()).value).toMatchObject({ job_id });
    await until("the stream", () => streams.length === 1);
    aborting.abort(reason);
    await expect(toldOf(watching)).rejects.toBe(reason);
    expect(streams.map((signal) => signal.aborted)).toEqual([true]);
    await expect(watcher.waitForJob(job_id, aborting)).rejects.toBe(reason);
    await client.cancelJob(job_id);
  });
});

describe("a server with keys, which ends", () => {
  let server: RunningServer;
  let api: ReturnType<typeof createClient>;
  beforeAll(async () => {
    server = await startServer({ API_KEY: OWNER, MAX_IN_FLIGHT: "1" });
    api = createClient(createConfig({ baseUrl: server.url, auth: OWNER }));
  });
  afterAll(() => server.stop());

  test("the right one opens everything, a wrong one is refused at once, streams too", async () => {
    const client = new RushesClient({ baseUrl: server.url, apiKey: OWNER });
    const { job_id } = await client.createJob("TTS", SPEECH);
    expect((await client.watchJob(job_id).next()).value).toMatchObject({ job_id });
    for (const apiKey of [undefined, "a-wrong-one"]) {
      const stranger = new RushesClient({ baseUrl: server.url, apiKey });
      const refusal = { status: 401, code: "UNAUTHORIZED", retryable: false };
      await expect(stranger.getJob(job_id)).rejects.toMatchObject(refusal);
      await expect(stranger.waitForJob(job_id)).rejects.toMatchObject(refusal);
      await expect(stranger.watchJobs().next()).rejects.toMatchObject(refusal);
    }
  });

  test("a key that is revoked ends what is watched with it", async () => {
    const { data: made } = await createKey({ client: api, body: { name: "desk", scopes: ["read"] } });
    const watching = new RushesClient({ baseUrl: server.url, apiKey: made?.key }).watchJobs();
    expect((await watching.next()).value).toBeInstanceOf(Array);
    await revokeKey({ client: api, path: { key_id: made?.id ?? "" } });
    await expect(watching.next()).rejects.toMatchObject({ name: "RushesError", status: 401 });
  });

  test("five hundred jobs at once are watched over one connection, and over the server's death", async () => {
    const looking = network();
    const client = new RushesClient({ baseUrl: server.url, apiKey: OWNER, fetch: looking.fetch });
    const submitted = Array.from({ length: 500 }, () => client.createJob("TTS", SPEECH, { priority: -1 }));
    const ids = (await Promise.all(submitted)).map((job) => job.job_id);
    looking.seen.length = 0;

    const warnings: Error[] = [];
    process.on("warning", (warning) => warnings.push(warning));
    const { signal } = new AbortController();
    const known = new Set<string>();
    const watched = ids.map(async (id) => {
      const told: Job[] = [];
      for await (const job of client.watchJob(id, { signal })) {
        told.push(job);
        known.add(id);
      }
      expectWhole(told, id);
      return told.at(-1) as Job;
    });
    await until("all to be known", () => known.size === ids.length);
    expect(looking.to("/events")).toHaveLength(1);

    await Promise.all(ids.slice(0, 200).map((id) => cancel(client, id)));
    await server.kill();
    await server.restart();
    await Promise.all(ids.slice(200).map((id) => cancel(client, id)));
    const ends = new Map((await Promise.all(watched)).map((job) => [job.job_id, job]));

    expect(warnings).toEqual([]);
    const [first, ...resumed] = looking.to("/events").map(({ headers }) => headers.get("Last-Event-ID"));
    expect(first).toBeNull();
    expect(new Set(resumed).size).toBe(1);
    expect(looking.seen.filter(({ path }) => path.startsWith("/jobs?ids=")).length).toBeLessThan(ids.length);
    for (let at = 0; at < ids.length; at += 100) {
      const { data: jobs } = await listJobs({
        client: api,
        query: { ids: ids.slice(at, at + 100).join(",") },
      });
      for (const { job_id, status, version } of jobs ?? [])
        expect(ends.get(job_id)).toMatchObject({ status, version });
    }
    expect(ends.size).toBe(ids.length);
  });
});

/** One or two of them may have come to their end by themselves. */
async function cancel(client: RushesClient, id: string): Promise<void> {
  await client.cancelJob(id).catch((error) => {
    if (error.code !== "ALREADY_FINISHED") throw error;
  });
}

function hanging(signal: AbortSignal): Promise<Response> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
