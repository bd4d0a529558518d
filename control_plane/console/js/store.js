// A value that many parts of the page show: they are drawn anew when it changes.
import { useEffect, useState } from "../vendor/preact-htm.js";

export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of listeners) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** What `pick` takes from the store; the part is drawn again only when that is another thing. */
export function useStore(store, pick = (value) => value) {
  const [, redraw] = useState(0);
  const now = pick(store.get());
  useEffect(() => {
    let shown = pick(store.get());
    if (shown !== now) redraw((n) => n + 1);
    return store.subscribe((value) => {
      const next = pick(value);
      if (next !== shown) {
        shown = next;
        redraw((n) => n + 1);
      }
    });
  }, [store]);
  return now;
}
