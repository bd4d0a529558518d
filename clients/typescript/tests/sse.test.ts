import { expect, test } from "vitest";
import { type Block, blocksOf, chunksOf } from "../src/live/sse";

async function blocks(...texts: (string | Uint8Array)[]): Promise<Block[]> {
  async function* chunks() {
    for (const text of texts) yield typeof text === "string" ? new TextEncoder().encode(text) : text;
  }
  const found: Block[] = [];
  for await (const block of blocksOf(chunks())) found.push(block);
  return found;
}

const EVENT = { id: "7", event: "status", data: '{"name":"é"}' };

test("a stream is read the same however it is cut into chunks", async () => {
  const bytes = new TextEncoder().encode(`: hello\n\nevent: status\nid: 7\ndata: ${EVENT.data}\n\nid: 8\n\n`);
  const expected = [EVENT, { id: "8", event: "message", data: "" }];
  for (let at = 1; at < bytes.length; at++)
    expect(await blocks(bytes.slice(0, at), bytes.slice(at))).toEqual(expected);
});

test("lines may end as on Windows, fields may lack their space, data may have lines", async () => {
  expect(await blocks("event:status\r\nid:7\r\ndata:one\r\ndata: two\r\n\r\n")).toEqual([
    { id: "7", event: "status", data: "one\ntwo" },
  ]);
});

test("what was cut off is no event", async () => {
  expect(await blocks("id: 7\ndata: half of")).toEqual([]);
});

test("a silent stream is given up, and let go", async () => {
  let isLetGo = false;
  const silent = new ReadableStream<Uint8Array>({
    cancel() {
      isLetGo = true;
    },
  });
  const chunks = chunksOf(silent, 1, () => new Error("too late"));
  await expect(chunks.next()).rejects.toThrow("too late");
  expect(isLetGo).toBe(true);
});
