/** One block of a `text/event-stream`; `data` is empty where the block only moves the id. */
export interface Block {
  id: string | undefined;
  event: string;
  data: string;
}

/** The blocks of a stream as they come (WHATWG HTML, 9.2.6; lines end in LF or CRLF, as servers write them). */
export async function* blocksOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  const decoder = new TextDecoder();
  let rest = "";
  let lines: string[] = [];
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const line = part.endsWith("\r") ? part.slice(0, -1) : part;
      if (line !== "") lines.push(line);
      else {
        const block = blockOf(lines);
        lines = [];
        if (block.id !== undefined || block.data !== "") yield block;
      }
    }
  }
}

function blockOf(lines: string[]): Block {
  const block: Block = { id: undefined, event: "message", data: "" };
  const data: string[] = [];
  for (const line of lines) {
    const [field, value] = fieldOf(line);
    if (field === "data") data.push(value);
    else if (field === "event") block.event = value;
    else if (field === "id") block.id = value;
  }
  block.data = data.join("\n");
  return block;
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/** The chunks of a body; fails with `late` when none comes for so many milliseconds, as after a laptop has slept. */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  milliseconds: number,
  late: () => Error,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await within(reader.read(), milliseconds, late);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** The result of `work`; fails with `late` when it takes longer. */
export async function within<Value>(
  work: Promise<Value>,
  milliseconds: number,
  late: () => Error,
): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
