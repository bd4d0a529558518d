const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Has `act` called when the signal, not aborted yet, is; the answer takes that back.
 *
 * Each signal gets a single listener, as Node warns of a leak from the eleventh on.
 */
export function onAbort(signal: AbortSignal | null | undefined, act: () => void): () => void {
  if (!signal) return () => undefined;
  const acts = waiting.get(signal) ?? heardBy(signal);
  acts.add(act);
  return () => {
    acts.delete(act);
  };
}

function heardBy(signal: AbortSignal): Set<() => void> {
  const acts = new Set<() => void>();
  const aborted = () => {
    for (const act of [...acts]) act();
  };
  signal.addEventListener("abort", aborted, { once: true });
  waiting.set(signal, acts);
  return acts;
}
