import { RushesClient } from "@rushes/client";
import { expect, inject, test } from "vitest";
import { film } from "../examples/film";
import { cutOff, network } from "./network";

const baseUrl = inject("serverUrl");
const client = new RushesClient({ baseUrl });
const CLIP = new Blob([new Uint8Array(3_000_000)]);
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR4nGNk+M9AEmAiTfmohlENQ0kDAD8vAR8xbvKBAAAAAElFTkSuQmCC";

test("an uploaded picture becomes a film", async () => {
  const picture = new File([Buffer.from(PICTURE, "base64")], "Fjord at dawn.png", { type: "image/png" });
  const done = await film(client, [picture]);
  expect(done).toMatchObject({ type: "EXPORT", status: "SUCCEEDED" });
  expect(done.outputs[0]).toMatchObject({ kind: "video", duration_seconds: 2 });
  const { clips } = done.params as { clips: { url: string }[] };
  expect(clips[0]?.url).toMatch(/^storage:\/\/uploads\/.*\/Fjord-at-dawn\.png$/);
});

test("progress grows to the whole size", async () => {
  const told: [number, number][] = [];
  await client.uploadFile(CLIP, { name: "clip.mp4", onProgress: (...now) => told.push(now) });
  const sent = told.map(([bytes]) => bytes);
  expect(sent.length).toBeGreaterThan(5);
  expect(sent).toEqual([...sent].sort((one, other) => one - other));
  expect(new Set(told.map(([, total]) => total))).toEqual(new Set([CLIP.size]));
  expect(sent.at(-1)).toBe(CLIP.size);
});

test("an upload stops when it is aborted, and may be aborted before it begins", async () => {
  const aborting = new AbortController();
  const reason = new Error("wrong file");
  const onProgress = () => aborting.abort(reason);
  const uploading = client.uploadFile(CLIP, { name: "clip.mp4", onProgress, signal: aborting.signal });
  await expect(uploading).rejects.toBe(reason);
  const looking = network();
  const other = new RushesClient({ baseUrl, fetch: looking.fetch });
  await expect(other.uploadFile(CLIP, { signal: aborting.signal })).rejects.toBe(reason);
  expect(looking.seen).toEqual([]);
});

test("a connection that breaks is no end: it is sent again", async () => {
  let puts = 0;
  const bad = network((request, real) => (request.method === "PUT" && puts++ === 0 ? cutOff() : real()));
  const url = await new RushesClient({ baseUrl, fetch: bad.fetch }).uploadFile(CLIP, { name: "clip.mp4" });
  expect(url).toMatch(/^storage:/);
  expect(puts).toBe(2);
});

test("a file that came through, its answer lost, is there", async () => {
  let puts = 0;
  const bad = network(async (request, real) => {
    const response = await real();
    return request.method === "PUT" && puts++ === 0 ? cutOff() : response;
  });
  const url = await new RushesClient({ baseUrl, fetch: bad.fetch }).uploadFile(CLIP, { name: "clip.mp4" });
  expect(url).toMatch(/^storage:/);
  expect(puts).toBe(2);
});

test.each([
  ["a type that is not taken", { name: "setup.exe" }],
  ["a file without a type", {}],
])("%s is refused before anything is sent", async (_, options) => {
  const looking = network();
  const uploading = new RushesClient({ baseUrl, fetch: looking.fetch }).uploadFile(CLIP, options);
  await expect(uploading).rejects.toMatchObject({ name: "RushesError", status: 422 });
  expect(looking.seen.map(({ method }) => method)).toEqual(["POST"]);
});
