// What is done to the film as a whole or to the clip that is chosen, by button.
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { useStore } from "../store.js";
import { AddMenu } from "./add-menu.js";
import { choose, desk, edit, playhead, redo, undo } from "./desk.js";
import { moved, split, withoutClip } from "./film.js";
import { zoom } from "./zoom.js";

export const cut = () => edit((film) => split(film, playhead.get().time));

export function shift(by) {
  const { film, chosen } = desk.get();
  const index = film.clips.findIndex((clip) => clip.id === chosen);
  if (index >= 0) edit((now) => moved(now, chosen, index + by));
}

export function removeChosen() {
  const { film, chosen } = desk.get();
  const index = film.clips.findIndex((clip) => clip.id === chosen);
  if (index < 0) return;
  edit((now) => withoutClip(now, chosen));
  choose(film.clips[index + 1]?.id ?? film.clips[index - 1]?.id ?? null);
}

export function Tools() {
  const { past, future, chosen, film } = useStore(desk);
  const scale = useStore(zoom);
  const index = film.clips.findIndex((clip) => clip.id === chosen);
  const tool = (label, name, act, isOff) => html`<button class="button plain square" title=${label} aria-label=${label} disabled=${isOff} onClick=${act}><${Icon} name=${name} /></button>`;
  return html`<div class="tools">
    <div class="row" role="group" aria-label="Edit">
      ${tool("Undo", "undo", undo, !past.length)}
      <span class="mirror">${tool("Redo", "undo", redo, !future.length)}</span>
      ${tool("Cut at the playhead (S)", "cut", cut, false)}
      ${tool("Move earlier (Alt ←)", "left", () => shift(-1), index < 1)}
      ${tool("Move later (Alt →)", "right", () => shift(1), index < 0 || index === film.clips.length - 1)}
      ${tool("Remove the clip (Delete)", "trash", removeChosen, index < 0)}
    </div>
    <label class="zoom"><${Icon} name="search" /><span class="hidden-text">Zoom</span><input type="range" min="0" max="1" step="0.01" value=${scale} onInput=${(event) => zoom.set(Number(event.target.value))} /></label>
    <${AddMenu} />
  </div>`;
}
