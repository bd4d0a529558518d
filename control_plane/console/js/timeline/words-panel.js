// Captions: what is read, and when.
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { useStore } from "../store.js";
import { Amount, Choice } from "./controls.js";
import { desk, edit, playhead } from "./desk.js";
import { fresh, lengthOf, withCaption } from "./film.js";
import { seek } from "./monitor.js";

const STYLES = { plain: "Plain", bold: "Bold", boxed: "Boxed", karaoke: "Karaoke", pop: "Pop", minimal: "Minimal", neon: "Neon", typewriter: "Typewriter", news: "News" };
const USUAL_SECONDS = 2.5;

export function addCaption() {
  const { film } = desk.get();
  const end = lengthOf(film);
  const start = Math.min(playhead.get().time, Math.max(0, end - 0.5));
  const id = fresh();
  const later = film.captions.filter((caption) => caption.start > start).map((caption) => caption.start);
  const until = Math.min(start + USUAL_SECONDS, end, ...later);
  edit((now) => ({ ...now, captions: [...now.captions, { id, text: "", start, end: Math.max(until, start + 0.2) }].sort((a, b) => a.start - b.start) }));
  requestAnimationFrame(() => document.getElementById(`words-${id}`)?.focus());
}

export function WordsPanel() {
  const film = useStore(desk, (now) => now.film);
  const end = lengthOf(film);
  return html`
    <${Choice} id="caption-style" label="Look" value=${typeof film.captionStyle === "string" ? film.captionStyle : film.captionStyle.preset ?? "plain"} options=${STYLES}
      onChange=${(captionStyle) => edit((now) => ({ ...now, captionStyle }))} />
    <button class="button" disabled=${!end} onClick=${addCaption}><${Icon} name="plus" />Caption at the playhead</button>
    ${film.captions.length ? null : html`<p class="small soft">Put the playhead where somebody begins to speak, and add the words. They are drawn into the film.</p>`}
    <ol class="caption-list">${film.captions.map((caption, n) => html`<${Line} key=${caption.id} caption=${caption} number=${n + 1} end=${end} />`)}</ol>`;
}

function Line({ caption, number, end }) {
  const set = (change, stroke) => edit((now) => withCaption(now, caption.id, change), stroke && `${stroke} ${caption.id}`);
  return html`<li class="stack tight">
    <div class="row nowrap"><textarea id=${`words-${caption.id}`} class="input" rows="2" maxlength="500" aria-label=${`Caption ${number}`} value=${caption.text} placeholder="What is said"
      onFocus=${() => seek(caption.start + 0.01)} onInput=${(event) => set({ text: event.target.value, words: undefined }, "text")}></textarea>
      <button class="button plain square" aria-label=${`Remove caption ${number}`} onClick=${() => edit((now) => ({ ...now, captions: now.captions.filter((one) => one.id !== caption.id) }))}><${Icon} name="trash" /></button></div>
    <div class="two"><${Amount} id=${`from-${caption.id}`} label="From" value=${caption.start} onChange=${(start) => set({ start, end: Math.max(caption.end, start + 0.1) })} />
      <${Amount} id=${`until-${caption.id}`} label="Until" value=${caption.end} onChange=${(until) => set({ end: Math.max(until, caption.start + 0.1) })} /></div>
    ${caption.start >= end ? html`<p class="wrong tiny">It begins after the film has ended and will be left out.</p>` : null}
  </li>`;
}
