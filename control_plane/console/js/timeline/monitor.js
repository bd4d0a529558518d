// The screen: the film as it is cut now, played at once in this browser, or as the server made its preview.
import { html, useEffect, useRef } from "../../vendor/preact-htm.js";
import { clock } from "../format.js";
import { Icon } from "../icons.js";
import { useStore } from "../store.js";
import { desk, playhead } from "./desk.js";
import { captionAt, lengthOf } from "./film.js";
import { Player } from "./player.js";
import { truePreview, TruePreview } from "./true-preview.js";

export const seek = (time) => playhead.set({ ...playhead.get(), time: Math.max(0, Math.min(time, lengthOf(desk.get().film))) });

export function toggle() {
  const { time, playing } = playhead.get();
  const end = lengthOf(desk.get().film);
  if (end) playhead.set({ time: !playing && time >= end - 0.01 ? 0 : time, playing: !playing });
}

export function Monitor() {
  const film = useStore(desk, (now) => now.film);
  const preview = useStore(truePreview);
  const layer = useRef(null);
  const [wide, high] = film.output.aspect_ratio.split(":").map(Number);
  useEffect(() => {
    const player = new Player(layer.current);
    return () => player.close();
  }, []);
  return html`<section class="monitor" aria-label="Preview">
    <div class="stage"><div class=${`frame look-${typeof film.style === "string" ? film.style : film.style.style}`}
        style=${{ aspectRatio: `${wide} / ${high}`, width: `min(100%, calc(var(--stage-height) * ${wide / high}))` }}>
      <div class="layer" ref=${layer}></div>
      <${CaptionLayer} film=${film} />
      ${preview ? html`<${TruePreview} />` : null}
    </div></div>
    <${Transport} film=${film} />
  </section>`;
}

function CaptionLayer({ film }) {
  const shown = useStore(playhead, ({ time }) => captionAt(film, time)?.id ?? null);
  const caption = captionAt(film, playhead.get().time);
  if (!caption || shown === null) return null;
  const style = caption.style ?? film.captionStyle;
  return html`<p key=${caption.id} class=${`caption caption-${typeof style === "string" ? style : style.preset ?? "plain"}`}><span>${caption.text}</span></p>`;
}

function Transport({ film }) {
  const { time, playing } = useStore(playhead);
  const end = lengthOf(film);
  return html`<div class="transport">
    <button class="button plain square" aria-label=${playing ? "Pause" : "Play"} disabled=${!end} onClick=${toggle}><${Icon} name=${playing ? "pause" : "play"} /></button>
    <span class="timecode num">${clock(time, true)}</span>
    <input type="range" aria-label="Playhead" aria-valuetext=${`${clock(time, true)} of ${clock(end, true)}`} min="0" max=${end || 1} step="0.01" value=${time} disabled=${!end}
      onInput=${(event) => seek(Number(event.target.value))} />
    <span class="timecode num faint">${clock(end, true)}</span>
  </div>`;
}
