// The cutting desk: a monitor, what can be set, the strip of clips, and the way to the film.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { loadJob } from "../live.js";
import { say } from "../notices.js";
import { get } from "../api.js";
import { useStore } from "../store.js";
import { Panels } from "./panels.js";
import { AddMenu } from "./add-menu.js";
import { desk, layOut, playhead, edit } from "./desk.js";
import { keepDraft, restore } from "./draft.js";
import { keysOf } from "./keys.js";
import { Monitor } from "./monitor.js";
import { fromParams } from "./params.js";
import { RenderBar } from "./render-bar.js";
import { addFiles, again, queue } from "./sources.js";
import { Strip } from "./strip.js";
import { Tools } from "./tools.js";

let isRestored = false;

export default function TimelinePage({ query }) {
  const { film } = useStore(desk);
  const [over, setOver] = useState(false);
  const [ready, setReady] = useState(isRestored && !query.get("from"));
  const from = query.get("from");
  useEffect(() => {
    open(from).catch((error) => say(error.message)).then(() => setReady(true));
    const quiet = keepDraft();
    const onKey = (event) => keysOf(event);
    addEventListener("keydown", onKey);
    return () => { quiet(); removeEventListener("keydown", onKey); playhead.set({ ...playhead.get(), playing: false }); };
  }, [from]);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files.length) addFiles([...event.dataTransfer.files]);
  };
  return html`<div class=${`page desk ${over ? "over" : ""}`} onDragOver=${(event) => { if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); setOver(true); } }}
    onDragLeave=${(event) => event.currentTarget.contains(event.relatedTarget) || setOver(false)} onDrop=${drop}>
    <header class="desk-head">
      <h1 class="hidden-text">Timeline</h1>
      <input class="film-name" aria-label="Name of the film" placeholder="Untitled film" maxlength="200" value=${film.name}
        onInput=${(event) => edit((now) => ({ ...now, name: event.target.value }), "name")} />
      <${RenderBar} />
    </header>
    <div class="desk-top"><${Monitor} /><${Panels} /></div>
    ${!ready ? html`<div class="desk-strip pending" aria-hidden="true"></div>` : film.clips.length ? html`<div class="desk-strip"><${Tools} /><${Strip} /></div>` : html`<${Start} />`}
  </div>`;
}

async function open(from) {
  if (from) {
    await loadJob(from);
    const job = await get(`/jobs/${from}`);
    const film = await fromParams(job.params, job.labels.name);
    return layOut(film, desk.get().sources);
  }
  if (!isRestored && !desk.get().film.clips.length) await restore({ queue, again });
  isRestored = true;
}

const Start = () => html`<section class="empty begin" aria-label="Begin">
  <h2>Drop your clips here</h2>
  <p>Videos and pictures become clips, in the order you drop them; a recording becomes the music. Trim, arrange and caption
    them while they upload.</p>
  <${AddMenu} main />
</section>`;
