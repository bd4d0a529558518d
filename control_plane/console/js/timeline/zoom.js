// How much of the strip one second takes: from the whole film at once to single frames.
import { createStore } from "../store.js";

export const zoom = createStore(0);
const NEAREST = 240; // pixels a second

export const pixelsPerSecond = (width, seconds, scale) => {
  const whole = Math.max(8, Math.min(120, (width - 24) / Math.max(seconds, 1)));
  return whole * (NEAREST / whole) ** scale;
};
