// Something read from the API for one part of the page.
import { useEffect, useState } from "../vendor/preact-htm.js";
import { get } from "./api.js";

/** `{data, error, again}`; read anew when `path` changes, and every `every` ms while the page is looked at. */
export function useAsked(path, every) {
  const [answer, setAnswer] = useState({ path: null, data: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    const ask = () => get(path, { signal: stop.signal }).then(
      (data) => setAnswer({ path, data, error: null }),
      (error) => stop.signal.aborted || setAnswer((before) => ({ path, data: before.path === path ? before.data : null, error })),
    );
    ask();
    const timer = every ? setInterval(() => document.hidden || ask(), every) : undefined;
    return () => { stop.abort(); clearInterval(timer); };
  }, [path, every, turn]);
  const current = answer.path === path ? answer : { data: null, error: null };
  return { data: current.data, error: current.error, again: () => setTurn((n) => n + 1) };
}
