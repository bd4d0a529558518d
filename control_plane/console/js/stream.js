// Server-Sent Events by fetch: an EventSource could not send the key.
import { headersWithKey, door } from "./api.js";

const LONGEST_PAUSE_MS = 5000;
const SILENCE_MS = 40_000; // the server says something every 15 s

/** Follows for ever, from where it was cut off. `onOpen` is told each time the stream is there, `onLost` when it is not. */
export async function follow(path, { onEvent, onOpen, onLost, signal }) {
  let lastId = null;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      await read(path, lastId, signal, {
        onOpen: () => { failures = 0; onOpen(); },
        onId: (id) => { lastId = id; },
        onEvent,
      });
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
    }
    onLost();
    await pause(Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS), signal);
  }
}

/** One connection, to its end. */
export async function read(path, lastId, signal, { onOpen, onId, onEvent }) {
  const watch = new AbortController();
  const stop = () => watch.abort();
  signal.addEventListener("abort", stop);
  let silence = setTimeout(stop, SILENCE_MS);
  try {
    const answer = await fetch(path, {
      headers: headersWithKey(lastId === null ? {} : { "Last-Event-ID": lastId }), cache: "no-store", signal: watch.signal,
    });
    if (answer.status === 401) door.set({ ...door.get(), locked: true });
    if (!answer.ok) throw Object.assign(new Error("no stream"), { status: answer.status });
    if (answer.status === 204) return;
    onOpen?.();
    let rest = "";
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) tell(block, onId, onEvent);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
  }
}

function tell(block, onId, onEvent) {
  const found = { event: "message", data: [] };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name === "data") found.data.push(value);
    else if (name) found[name] = value;
  }
  if (found.id !== undefined) onId?.(found.id);
  if (found.data.length) onEvent({ id: Number(found.id), event: found.event, data: JSON.parse(found.data.join("\n")) });
}

function pause(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(finish, ms);
    function finish() {
      clearTimeout(timer);
      removeEventListener("online", finish);
      signal.removeEventListener("abort", finish);
      done();
    }
    addEventListener("online", finish);
    signal.addEventListener("abort", finish);
  });
}
