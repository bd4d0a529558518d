// What can be set of the clip that is chosen.
import { html } from "../../vendor/preact-htm.js";
import { clock, seconds } from "../format.js";
import { useStore } from "../store.js";
import { Amount, Choice, Slide, Toggle } from "./controls.js";
import { desk, edit } from "./desk.js";
import { lay, shown, trimmed, withClip } from "./film.js";

const named = (...names) => Object.fromEntries(names.map((name) => [name, name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ")]));
const TRANSITIONS = { "": "Cut", ...named("crossfade", "fade_black", "fade_white", "dissolve", "zoom", "wipe_left", "wipe_right", "wipe_up", "wipe_down",
  "slide_left", "slide_right", "slide_up", "slide_down", "circleopen", "pixelize", "radial", "smoothleft", "hblur") };
const MOTIONS = { "": "None", ...named("zoom_in", "zoom_out", "pan_left", "pan_right", "pan_up", "pan_down", "ken_burns") };
const FITS = { "": "As in Output", contain: "All of it, with bars", cover: "All of the frame, edges cut", blur: "Bars filled with itself" };

export function ClipPanel() {
  const { film, sources, chosen } = useStore(desk);
  const spot = lay(film).find(({ clip }) => clip.id === chosen);
  if (!spot) return html`<p class="small soft">${film.clips.length ? "Choose a clip on the strip to trim it, change its speed, or set how it gives way to the next." :
    "Your clips are set here, one at a time."}</p>
    ${film.clips.length ? html`<dl class="keys small soft">
      ${[["Space", "play"], ["← →", "one frame"], ["S", "cut"], ["Alt ← →", "move the clip"], ["Delete", "remove it"], ["Ctrl Z", "undo"]].map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>` : null}`;
  const { clip } = spot;
  const source = sources[clip.source];
  const isLast = film.clips.at(-1) === clip;
  const set = (change, stroke) => edit((now) => withClip(now, clip.id, change), stroke && `${stroke} ${clip.id}`);
  const trim = (edge) => (value) => edit((now) => trimmed(now, clip.id, edge, value, source));
  const still = source?.kind === "image";
  return html`
    <div><h2 class="break">${source?.name ?? "A source that is gone"}</h2><p class="tiny faint num">${seconds(shown(clip))} from ${clock(spot.at, true)}${
      source?.seconds ? `, of ${clock(source.seconds, true)}` : ""}${source?.width ? ` · ${source.width} × ${source.height}` : ""}</p></div>
    ${source?.error ? html`<div class=${`note ${source.failed ? "bad" : ""}`}><span class="grow">${source.error}</span>${source.failed ? html`<button class="button" onClick=${source.failed}>Upload again</button>` : null}</div>` : null}
    ${still ? html`<${Amount} id="clip-end" label="Shown for, seconds" value=${clip.end} least=${0.1} most=${600} onChange=${trim("end")} />`
      : html`<div class="two"><${Amount} id="clip-start" label="In, seconds" value=${clip.start} onChange=${trim("start")} /><${Amount} id="clip-end" label="Out, seconds" value=${clip.end} onChange=${trim("end")} /></div>`}
    ${still ? null : html`<${Slide} id="clip-speed" label="Speed" least=${0.25} most=${4} step=${0.05} value=${clip.speed} words=${`${clip.speed}×`} onChange=${(speed) => set({ speed }, "speed")} />
      <${Slide} id="clip-volume" label="Its own sound" least=${0} most=${2} step=${0.05} value=${clip.mute ? 0 : clip.volume} words=${clip.mute ? "off" : `${Math.round(clip.volume * 100)}%`}
        onChange=${(volume) => set({ volume, mute: volume === 0 }, "volume")} />`}
    <div class="two"><${Choice} id="clip-motion" label="Camera move" value=${clip.motion?.type ?? clip.motion ?? ""} options=${MOTIONS} onChange=${(motion) => set({ motion: motion || null })} />
      <${Choice} id="clip-fit" label="In the frame" value=${clip.fit ?? ""} options=${FITS} onChange=${(fit) => set({ fit: fit || null })} /></div>
    ${isLast ? null : html`<div id="part-transition" class="two"><${Choice} id="clip-transition" label="To the next clip" value=${clip.transition?.type ?? ""} options=${TRANSITIONS}
        onChange=${(type) => set({ transition: type ? { type, duration: clip.transition?.duration ?? 0.5 } : null })} />
      ${clip.transition ? html`<${Amount} id="clip-overlap" label="It takes, seconds" value=${clip.transition.duration} least=${0.1} most=${10} onChange=${(duration) => set({ transition: { ...clip.transition, duration } })} />` : null}</div>
      ${clip.transition && spot.overlap < clip.transition.duration - 0.001 ? html`<p class="tiny faint num">It takes ${seconds(spot.overlap)}: half of the shorter clip at most.</p>` : null}`}
    ${still ? null : html`<${Toggle} label="Play backwards" value=${clip.extra.reverse ?? false} onChange=${(reverse) => set({ extra: { ...clip.extra, reverse } })} />`}`;
}
