// The strip: clips in order on a ruler, captions and music below, the playhead over all.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { clock } from "../format.js";
import { useStore } from "../store.js";
import { ClipBlock } from "./clip-block.js";
import { desk, playhead } from "./desk.js";
import { lay, lengthOf } from "./film.js";
import { seek } from "./monitor.js";
import { openPanel } from "./panels.js";
import { addFiles } from "./sources.js";
import { pixelsPerSecond, zoom } from "./zoom.js";

const STEPS = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300];
const APART = 64; // pixels between marks, at least

export function Strip() {
  const { film, sources, chosen } = useStore(desk);
  const scale = useStore(zoom);
  const box = useRef(null);
  const [width, setWidth] = useState(800);
  const [order, setOrder] = useState(null);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const seconds = lengthOf(film);
  const pps = pixelsPerSecond(width, seconds, scale);
  const spots = lay(film);
  const drop = (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    const time = (event.clientX - event.currentTarget.getBoundingClientRect().left) / pps;
    const index = spots.findIndex(({ at, end }) => time < (at + end) / 2);
    addFiles([...event.dataTransfer.files], index < 0 ? undefined : index);
  };
  return html`<div class="strip" ref=${box} role="region" aria-label="Clips" tabindex="0">
    <div class="tracks" style=${{ width: `${Math.max(seconds * pps + 24, width - 2)}px` }} onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
      <${Ruler} seconds=${Math.max(seconds, width / pps)} pps=${pps} />
      <ol class="clips">${spots.map((spot, n) => html`<${ClipBlock} key=${spot.clip.id} spot=${spot} index=${n} pps=${pps}
        source=${sources[spot.clip.source]} isChosen=${spot.clip.id === chosen} spots=${spots} under=${spots[n - 1]?.overlap ?? 0} aim=${setOrder} />`)}
        ${order === null ? null : html`<li class="aim" aria-hidden="true" style=${{ transform: `translateX(${order}px)` }}></li>`}</ol>
      <div class="captions-track">${film.captions.map((caption) => html`<button key=${caption.id} class="caption-block" title=${caption.text}
        style=${{ left: `${caption.start * pps}px`, width: `${Math.max(6, (caption.end - caption.start) * pps - 2)}px` }}
        onClick=${() => { seek(caption.start); openPanel("words"); }}><span class="clip-text">${caption.text || "…"}</span></button>`)}</div>
      ${film.music ? html`<button class="music-track" style=${{ width: `${seconds * pps}px` }} onClick=${() => openPanel("sound")}>
        <span class="clip-text">♪ ${sources[film.music.source]?.name ?? "Music"}</span></button>` : null}
      <${Head} pps=${pps} box=${box} />
    </div>
  </div>`;
}

function Ruler({ seconds, pps }) {
  const step = STEPS.find((one) => one * pps >= APART) ?? STEPS.at(-1);
  const marks = Array.from({ length: Math.min(400, Math.floor(seconds / step) + 1) }, (_, n) => n * step);
  const scrub = (event) => {
    const ruler = event.currentTarget;
    const at = (now) => seek((now.clientX - ruler.getBoundingClientRect().left) / pps);
    at(event);
    ruler.setPointerCapture(event.pointerId);
    ruler.onpointermove = at;
    ruler.onpointerup = () => { ruler.onpointermove = null; };
  };
  return html`<div class="ruler num" aria-hidden="true" onPointerDown=${scrub}>${marks.map((time) => html`<span key=${time} style=${{ left: `${time * pps}px` }}>${
    step < 1 ? clock(time, true) : clock(time)}</span>`)}</div>`;
}

function Head({ pps, box }) {
  const { time, playing } = useStore(playhead);
  useEffect(() => {
    const view = box.current;
    const x = time * pps;
    if (playing && (x > view.scrollLeft + view.clientWidth - 40 || x < view.scrollLeft)) view.scrollLeft = x - 40;
  }, [time]);
  return html`<i class="head" aria-hidden="true" style=${{ transform: `translateX(${time * pps}px)` }}></i>`;
}
