// The server's API: the key, the answers, and what went wrong in words.
import { createStore } from "./store.js";

const KEY = "rushes.key";

/** `locked`: the server wants a key that this page does not have. Kept for this tab alone. */
export const door = createStore({ locked: false, key: sessionStorage.getItem(KEY) ?? "" });

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
  door.set({ locked: false, key });
}

export function headersWithKey(headers = {}) {
  const { key } = door.get();
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

/** `fields` are `{pointer, detail}` of what is wrong in a body; `status` 0 means that nobody answered. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "The server did not say why");
    this.status = status;
    this.code = problem.code ?? "";
    this.fields = problem.errors ?? [];
  }
}

/** The answer's JSON, or null where there is none. Throws ApiError; an abort passes through. */
export async function call(method, path, { body, headers, signal } = {}) {
  const answer = await send(method, path, { body, headers, signal });
  return answer.status === 204 ? null : answer.json();
}

/** The answer itself, for its headers. */
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const answer = await fetch(path, {
    method, signal, cache: "no-store",
    headers: headersWithKey(body === undefined ? headers : { "Content-Type": "application/json", ...headers }),
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "The server cannot be reached" });
  });
  if (answer.ok) return answer;
  if (answer.status === 401) door.set({ ...door.get(), locked: true });
  throw new ApiError(answer.status, await answer.json().catch(() => ({})));
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { ...options, body });

/** A signed address as this page reaches it: the local store's may name this server otherwise (127.0.0.1, localhost). */
export function reachable(address) {
  const url = new URL(address, location.href);
  const isOurs = url.pathname.startsWith("/files/") && url.searchParams.has("signature");
  return isOurs ? url.pathname + url.search : url.href;
}
