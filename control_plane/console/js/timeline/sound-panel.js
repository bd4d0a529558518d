// Music under the film.
import { html, useRef } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { useStore } from "../store.js";
import { Amount, Slide, Toggle } from "./controls.js";
import { desk, edit } from "./desk.js";
import { fromFile, setMusic } from "./sources.js";

export function SoundPanel() {
  const { film, sources } = useStore(desk);
  const chosen = useRef(null);
  const take = async (event) => { if (event.target.files[0]) setMusic(await fromFile(event.target.files[0])); };
  const picker = html`<button class=${`button ${film.music ? "plain" : ""}`} onClick=${() => chosen.current.click()}><${Icon} name="music" />${film.music ? "Another" : "Choose music"}</button>
    <input ref=${chosen} class="hidden-text" type="file" accept="audio/*" tabindex="-1" aria-label="Music" onChange=${take} />`;
  if (!film.music) return html`<p class="small soft">Music lies under the whole film, goes round if it is too short, and steps back while somebody speaks.</p><div class="row">${picker}</div>`;
  const { music } = film;
  const set = (change, stroke) => edit((now) => ({ ...now, music: { ...now.music, ...change } }), stroke);
  return html`
    <div class="row apart nowrap"><b class="clip-text">${sources[music.source]?.name ?? "Music"}</b><span class="row nowrap">${picker}
      <button class="button plain square" aria-label="Take the music away" onClick=${() => edit((now) => ({ ...now, music: null }))}><${Icon} name="trash" /></button></span></div>
    <${Slide} id="music-volume" label="How loud" least=${0} most=${1} step=${0.05} value=${music.volume} words=${`${Math.round(music.volume * 100)}%`} onChange=${(volume) => set({ volume }, "music")} />
    <${Toggle} label="Step back while a voice speaks" value=${music.duck ?? true} onChange=${(duck) => set({ duck })} />
    <div class="two"><${Amount} id="music-in" label="Fades in, seconds" value=${music.fade_in ?? 0.5} most=${30} onChange=${(fade_in) => set({ fade_in })} />
      <${Amount} id="music-out" label="Fades out, seconds" value=${music.fade_out ?? 1.5} most=${30} onChange=${(fade_out) => set({ fade_out })} /></div>
    <div class="two"><${Amount} id="music-from" label="From second of the music" value=${music.source_start ?? 0} onChange=${(source_start) => set({ source_start })} />
      <${Amount} id="music-at" label="At second of the film" value=${music.start ?? 0} onChange=${(start) => set({ start })} /></div>`;
}
