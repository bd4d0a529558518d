// Transitions, camera moves and looks as a browser can show them at once: near to what ffmpeg makes, not the same.
const inset = (top, right, bottom, left) => `inset(${top * 100}% ${right * 100}% ${bottom * 100}% ${left * 100}%)`;
const shift = (x, y) => `translate(${x * 100}%, ${y * 100}%)`;

/** (share done) → styles of the clip that comes and of the one that goes. */
const BLENDS = {
  crossfade: (p) => [{ opacity: p }, {}],
  fade_black: (p) => [{ opacity: Math.max(0, 2 * p - 1) }, { opacity: Math.max(0, 1 - 2 * p) }],
  wipe_left: (p) => [{ clipPath: inset(0, 0, 0, 1 - p) }, {}],
  wipe_right: (p) => [{ clipPath: inset(0, 1 - p, 0, 0) }, {}],
  wipe_up: (p) => [{ clipPath: inset(1 - p, 0, 0, 0) }, {}],
  wipe_down: (p) => [{ clipPath: inset(0, 0, 1 - p, 0) }, {}],
  slide_left: (p) => [{ translate: `${(1 - p) * 100}% 0` }, { translate: `${-p * 100}% 0` }],
  slide_right: (p) => [{ translate: `${(p - 1) * 100}% 0` }, { translate: `${p * 100}% 0` }],
  slide_up: (p) => [{ translate: `0 ${(1 - p) * 100}%` }, { translate: `0 ${-p * 100}%` }],
  slide_down: (p) => [{ translate: `0 ${(p - 1) * 100}%` }, { translate: `0 ${p * 100}%` }],
  circleopen: (p) => [{ clipPath: `circle(${p * 75}%)` }, {}],
  zoom: (p) => [{ opacity: p }, { scale: String(1 + 2 * p) }],
};
BLENDS.fade_white = BLENDS.fade_black;

const PLAIN = { opacity: "", clipPath: "", translate: "", scale: "" };

export function blend(spots, elements, time, layer) {
  layer.classList.toggle("white", spots.length > 1 && spots[0].clip.transition?.type === "fade_white");
  spots.forEach(({ clip }, n) => style(elements.get(clip.id), PLAIN, n));
  const [going, coming] = spots;
  if (!coming || !going.overlap) return;
  const done = Math.max(0, Math.min(1, (time - coming.at) / going.overlap));
  const [entering, leaving] = (BLENDS[going.clip.transition.type] ?? BLENDS.crossfade)(done);
  style(elements.get(coming.clip.id), entering);
  style(elements.get(going.clip.id), leaving);
}

function style(element, values, level) {
  if (!element) return;
  Object.assign(element.style, values);
  if (level !== undefined) element.style.zIndex = String(level);
}

const STRENGTH = 0.3;
const MOVES = {
  zoom_in: (p) => `scale(${1 + STRENGTH * p})`,
  zoom_out: (p) => `scale(${1 + STRENGTH * (1 - p)})`,
  pan_left: (p) => `scale(1.3) ${shift(STRENGTH / 2 * (p - 0.5) * 1.5, 0)}`,
  pan_right: (p) => `scale(1.3) ${shift(STRENGTH / 2 * (0.5 - p) * 1.5, 0)}`,
  pan_up: (p) => `scale(1.3) ${shift(0, STRENGTH / 2 * (p - 0.5) * 1.5)}`,
  pan_down: (p) => `scale(1.3) ${shift(0, STRENGTH / 2 * (0.5 - p) * 1.5)}`,
};

export function move(element, clip, share) {
  const name = clip.motion?.type ?? clip.motion;
  const p = Math.max(0, Math.min(1, share));
  element.style.transform = (MOVES[name] ?? (() => ""))(p * p * (3 - 2 * p));
}
