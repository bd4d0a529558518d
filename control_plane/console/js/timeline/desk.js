// What lies on the cutting desk: the film with its history, its sources, the playhead, what is chosen.
import { createStore } from "../store.js";
import { EMPTY } from "./film.js";

const STEPS = 100;

export const desk = createStore({ film: EMPTY, sources: {}, past: [], future: [], chosen: null });
export const playhead = createStore({ time: 0, playing: false });

const part = (change) => desk.set({ ...desk.get(), ...change });

/** Changes the film. Changes with the same `stroke` in a row are one step back: a drag, a word being typed. */
export function edit(change, stroke = null) {
  const { film, past, stroke: last } = desk.get();
  const next = change(film);
  if (next === film) return;
  const isSame = stroke !== null && stroke === last;
  part({ film: next, past: isSame ? past : [...past.slice(-STEPS), film], future: [], stroke });
}

export function undo() {
  const { film, past, future } = desk.get();
  if (past.length) part({ film: past.at(-1), past: past.slice(0, -1), future: [film, ...future], stroke: null });
}

export function redo() {
  const { film, past, future } = desk.get();
  if (future.length) part({ film: future[0], past: [...past, film], future: future.slice(1), stroke: null });
}

export const choose = (id) => part({ chosen: id });
export const setSource = (id, change) => part({ sources: { ...desk.get().sources, [id]: { ...desk.get().sources[id], ...change } } });

/** Another film, with its sources; there is no step back to the one before. */
export function layOut(film, sources) {
  part({ film, sources, past: [], future: [], chosen: null, stroke: null });
  playhead.set({ time: 0, playing: false });
}
