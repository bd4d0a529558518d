// The film on the desk outlives a reload: it and its files are kept in this browser's own database.
import { desk, layOut } from "./desk.js";

const NAME = "rushes-desk";
const PAUSE_MS = 400;
let saving = null;

function open() {
  return new Promise((done, fail) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => ["films", "files"].forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}

/** Runs `work` on one store. Where the browser keeps nothing (private windows), nothing is kept. */
async function on(store, mode, work) {
  try {
    const database = await open();
    return await new Promise((done, fail) => {
      const request = work(database.transaction(store, mode).objectStore(store));
      request.onsuccess = () => done(request.result);
      request.onerror = () => fail(request.error);
    });
  } catch { return undefined; }
}

export const keepFile = (id, file) => on("files", "readwrite", (store) => store.put(file, id));

/** Keeps the film from now on, a moment after each change. */
export function keepDraft() {
  return desk.subscribe(({ film, sources }) => {
    clearTimeout(saving);
    saving = setTimeout(() => {
      const lasting = Object.fromEntries(Object.entries(sources).map(([id, { failed: _, thumbs: _t, ...source }]) => [id, source]));
      on("films", "readwrite", (store) => store.put({ film, sources: lasting }, "draft"));
    }, PAUSE_MS);
  });
}

/** Lays out the film that was kept. `queue` goes on with uploads that were cut off, `again` signs links of jobs anew. */
export async function restore({ queue, again }) {
  const kept = await on("films", "readonly", (store) => store.get("draft"));
  if (!kept?.film.clips.length) return;
  const sources = {};
  const unfinished = [];
  for (const [id, source] of Object.entries(kept.sources)) {
    const file = await on("files", "readonly", (store) => store.get(id));
    sources[id] = { ...source, play: file ? URL.createObjectURL(file) : null };
    if (file && !source.url) unfinished.push([id, file]);
  }
  layOut(kept.film, sources);
  unfinished.forEach(([id, file]) => queue(id, file));
  Object.values(sources).forEach((source) => !source.play && again(source));
}

export function clearDraft() {
  on("files", "readwrite", (store) => store.clear());
  on("films", "readwrite", (store) => store.clear());
}
