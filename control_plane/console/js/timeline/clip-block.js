// One clip on the strip: chosen, trimmed at its edges, moved by hand.
import { html, useRef } from "../../vendor/preact-htm.js";
import { clock, seconds } from "../format.js";
import { Icon } from "../icons.js";
import { choose, desk, edit, playhead } from "./desk.js";
import { moved, shown, trimmed } from "./film.js";
import { Filmstrip } from "./filmstrip.js";
import { seek } from "./monitor.js";
import { openPanel } from "./panels.js";

const MOVED = 5; // pixels that are a drag and no click

export function ClipBlock({ spot, index, pps, source, isChosen, spots, under, aim }) {
  const { clip, at, overlap } = spot;
  const block = useRef(null);
  const width = shown(clip) * pps;
  const isUp = source && !source.url;
  function pick() {
    choose(clip.id);
    const { time, playing } = playhead.get();
    if (!playing && (time < at || time >= spot.end)) seek(at + Math.min(under + 0.01, shown(clip) / 2));
    openPanel("clip");
  }
  return html`<li class=${`clip-spot ${isChosen ? "chosen-clip" : ""} ${source?.error && !source.url ? "broken" : ""}`} ref=${block}
      style=${{ left: `${at * pps}px`, width: `${Math.max(12, width - 2)}px` }}>
    <button class="clip" aria-pressed=${isChosen} onClick=${pick} onPointerDown=${(event) => drag(event, block.current, clip, spots, pps, aim)}
      aria-label=${`Clip ${index + 1}: ${source?.name ?? "missing"}, ${seconds(shown(clip))} from ${clock(at)}`}>
      <${Filmstrip} clip=${clip} source=${source} width=${width} pps=${pps} />
      <span class="clip-name clip-text" style=${{ left: `${isChosen ? 0 : under * pps}px` }}>${source?.name ?? "missing"}${clip.speed !== 1 ? ` · ${clip.speed}×` : ""}</span>
      ${isUp ? html`<span class="up"><i style=${{ transform: `scaleX(${source.share})` }}></i></span>` : null}
    </button>
    ${isChosen ? ["start", "end"].map((edge) => html`<${Edge} key=${edge} edge=${edge} clip=${clip} source=${source} pps=${pps} />`) : null}
    ${spots[index + 1] ? html`<button class=${`joint ${clip.transition ? "on" : ""}`} style=${{ right: `${overlap * pps / 2 - 13}px` }} title=${clip.transition ? clip.transition.type.replaceAll("_", " ") : "Cut"}
      aria-label=${`After clip ${index + 1}: ${clip.transition ? `${clip.transition.type.replaceAll("_", " ")}, ${seconds(overlap)}` : "a cut"}`}
      onClick=${() => { choose(clip.id); openPanel("clip", "transition"); }}><${Icon} name=${clip.transition ? "spark" : "plus"} /></button>` : null}
  </li>`;
}

function Edge({ edge, clip, source, pps }) {
  const value = clip[edge];
  const stroke = `${edge} ${clip.id}`;
  const set = (next) => edit((film) => trimmed(film, clip.id, edge, next, source), stroke);
  const pull = (event) => {
    event.stopPropagation();
    const handle = event.currentTarget, from = event.clientX, before = value;
    handle.setPointerCapture(event.pointerId);
    handle.onpointermove = (now) => set(before + (now.clientX - from) / pps * clip.speed);
    handle.onpointerup = () => { handle.onpointermove = null; };
  };
  const onKey = (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    set(value + way * (event.shiftKey ? 1 : 1 / desk.get().film.output.fps));
  };
  return html`<span class=${`edge ${edge}`} role="slider" tabindex="0" aria-label=${edge === "start" ? "In point" : "Out point"} aria-valuenow=${Math.round(value * 100) / 100}
    aria-valuemin="0" aria-valuemax=${source?.seconds ?? 600} aria-valuetext=${clock(value, true)} onPointerDown=${pull} onKeyDown=${onKey}></span>`;
}

/** The click that ends a drag chooses nothing. */
function swallowClick(handle) {
  const swallow = (click) => click.stopImmediatePropagation();
  handle.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => handle.removeEventListener("click", swallow, { capture: true }));
}

/** Moves a clip among the others while the pointer is down; a short press stays a click. */
function drag(event, block, clip, spots, pps, aim) {
  if (event.button !== 0 || (event.pointerType === "touch" && desk.get().chosen !== clip.id)) return;
  const from = event.clientX, handle = event.currentTarget;
  const left = block.parentElement.getBoundingClientRect().left;
  let index = null;
  handle.setPointerCapture(event.pointerId);
  const stop = () => {
    handle.onpointermove = handle.onpointerup = handle.onpointercancel = null;
    block.classList.remove("carried");
    block.style.translate = "";
    aim(null);
    if (index !== null) swallowClick(handle);
  };
  handle.onpointermove = (now) => {
    const by = now.clientX - from;
    if (index === null && Math.abs(by) < MOVED) return;
    block.classList.add("carried");
    block.style.translate = `${by}px`;
    const time = (now.clientX - left) / pps;
    const others = spots.filter((spot) => spot.clip.id !== clip.id);
    index = others.filter(({ at, end }) => (at + end) / 2 < time).length;
    aim((index < others.length ? others[index].at : others.at(-1)?.end ?? 0) * pps);
  };
  handle.onpointercancel = () => { index = null; stop(); };
  handle.onpointerup = () => {
    const to = index;
    stop();
    if (to !== null) { choose(clip.id); edit((film) => moved(film, clip.id, to)); }
  };
}
