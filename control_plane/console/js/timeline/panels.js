// What can be set, one panel at a time: the chosen clip, words, sound, output.
import { html } from "../../vendor/preact-htm.js";
import { createStore, useStore } from "../store.js";
import { Icon } from "../icons.js";
import { ClipPanel } from "./clip-panel.js";
import { OutputPanel } from "./output-panel.js";
import { SoundPanel } from "./sound-panel.js";
import { WordsPanel } from "./words-panel.js";

const PANELS = { clip: ["Clip", "film", ClipPanel], words: ["Words", "words", WordsPanel], sound: ["Sound", "music", SoundPanel], output: ["Output", "frame", OutputPanel] };
const open = createStore("clip");

/** Shows a panel, and brings one of its parts into view. */
export function openPanel(name, part) {
  open.set(name);
  if (part) requestAnimationFrame(() => document.getElementById(`part-${part}`)?.querySelector("select, input, button")?.focus());
}

export function Panels() {
  const now = useStore(open);
  const Panel = PANELS[now][2];
  const onKey = (event) => {
    const names = Object.keys(PANELS), way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const next = names[(names.indexOf(now) + way + names.length) % names.length];
    open.set(next);
    document.getElementById(`tab-${next}`).focus();
  };
  return html`<section class="panels" aria-label="Settings">
    <div class="panel-tabs" role="tablist" aria-label="Settings" onKeyDown=${onKey}>${Object.entries(PANELS).map(([name, [title, icon]]) => html`<button key=${name} id=${`tab-${name}`} role="tab"
      aria-selected=${name === now} aria-controls="panel" tabindex=${name === now ? 0 : -1} onClick=${() => open.set(name)}><${Icon} name=${icon} />${title}</button>`)}</div>
    <div class="panel-body stack" id="panel" role="tabpanel" aria-labelledby=${`tab-${now}`} tabindex="0"><${Panel} /></div>
  </section>`;
}
