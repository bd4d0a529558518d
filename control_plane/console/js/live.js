// All jobs that the page knows, kept up to date by one stream of events.
import { door, get, send } from "./api.js";
import { createStore, useStore } from "./store.js";
import { follow } from "./stream.js";

const AT_ONCE = 100;
const REFRESH_MS = 10_000; // where a job stands in the line and when it will be done is not in events
const ENDED = new Set(["SUCCEEDED", "FAILED", "CANCELED"]);

/** `connection`: connecting, live or lost. `cursor`: where older jobs begin, null when there are none. */
const state = createStore({ jobs: new Map(), connection: "connecting", cursor: null, loaded: false });
const heard = new Set();
const wanted = new Set();
let following = null;
let asking = null;

export const isOver = (job) => ENDED.has(job.status);
export const useLive = (pick) => useStore(state, pick);
export const useJob = (id) => useStore(state, ({ jobs }) => jobs.get(id));

function put(...views) {
  const jobs = new Map(state.get().jobs);
  for (const view of views) {
    const known = jobs.get(view.job_id);
    if (!known || !(Date.parse(known.updated_at) > Date.parse(view.updated_at))) jobs.set(view.job_id, { ...known, ...view });
  }
  state.set({ ...state.get(), jobs });
}

function forget(id) {
  const jobs = new Map(state.get().jobs);
  jobs.delete(id);
  state.set({ ...state.get(), jobs });
}

/** Reads these jobs whole, soon and together. */
function ask(...ids) {
  ids.forEach((id) => wanted.add(id));
  asking ??= setTimeout(async () => {
    asking = null;
    const now = [...wanted].slice(0, AT_ONCE);
    now.forEach((id) => wanted.delete(id));
    try {
      put(...await get(`/jobs?ids=${now.join(",")}`));
    } catch {
      now.forEach((id) => wanted.add(id)); // asked again with the next event, or when the stream is back
    }
    if (wanted.size && state.get().connection === "live") ask();
  }, 60);
}

function onEvent(event) {
  const { data } = event;
  for (const listener of heard) listener(event);
  if (event.event === "deleted") return forget(data.job_id);
  const job = state.get().jobs.get(data.job_id);
  if (!job || event.event === "status") ask(data.job_id);
  if (job) {
    const { status, progress, stage, stage_message, error, error_code } = data;
    state.set({ ...state.get(), jobs: new Map(state.get().jobs).set(job.job_id,
      { ...job, status, progress, stage, stage_message, error, error_code }) });
  }
}

async function loadFirst() {
  await loadMore(null);
  const lists = await Promise.all(["RUNNING", "QUEUED"].map((status) => get(`/jobs?status=${status}&limit=200`)));
  put(...lists.flat());
}

/** The next page of older jobs; the first one without a cursor. */
export async function loadMore(cursor = state.get().cursor) {
  const answer = await send("GET", `/jobs?limit=50${cursor ? `&cursor=${cursor}` : ""}`);
  put(...await answer.json());
  const next = /[?&]cursor=([0-9a-f-]+)/.exec(answer.headers.get("Link") ?? "");
  state.set({ ...state.get(), cursor: next?.[1] ?? null, loaded: true });
}

/** Reads one job whole, now, with all its attempts. */
export async function loadJob(id, signal) {
  put(await get(`/jobs/${encodeURIComponent(id)}`, { signal }));
}

/** Every event from now on; the answer ends that. */
export function onEvents(listener) {
  heard.add(listener);
  return () => heard.delete(listener);
}

function begin() {
  following?.abort();
  following = new AbortController();
  const connection = (name) => state.set({ ...state.get(), connection: name });
  follow("/events", {
    signal: following.signal, onEvent,
    onLost: () => connection("lost"),
    onOpen() {
      connection("live");
      if (!state.get().loaded) loadFirst().catch(() => {});
      if (wanted.size) ask();
    },
  });
}

export const live = {
  start() {
    begin();
    let key = door.get().key;
    door.subscribe((now) => {
      if (now.key !== key || now.locked) following.abort();
      if (!now.locked) begin();
      key = now.key;
    });
    setInterval(() => {
      const active = [...state.get().jobs.values()].filter((job) => !isOver(job));
      if (active.length && !document.hidden && state.get().connection === "live") ask(...active.map((job) => job.job_id));
    }, REFRESH_MS);
  },
};
