// Ways to bring something onto the desk: files, finished jobs, an address.
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { isOver, useLive } from "../live.js";
import { say } from "../notices.js";
import { Thumb } from "../parts/thumb.js";
import { TYPES, titleOf } from "../words.js";
import { addClips, addFiles, fromAddress, fromJob, setMusic } from "./sources.js";

export function AddMenu({ main = false }) {
  const files = useRef(null);
  const [open, setOpen] = useState(false);
  return html`<div class="row add">
    <button class=${`button ${main ? "main" : ""}`} onClick=${() => files.current.click()}><${Icon} name="plus" />Add files</button>
    <input ref=${files} class="hidden-text" type="file" multiple tabindex="-1" aria-label="Clips" accept="video/*,image/*,audio/*"
      onChange=${(event) => { addFiles([...event.target.files]); event.target.value = ""; }} />
    <button class="button" aria-expanded=${open} onClick=${() => setOpen(!open)}><${Icon} name="gallery" />From jobs</button>
    ${open ? html`<${Shelf} close=${() => setOpen(false)} />` : null}
  </div>`;
}

/** Puts it where it belongs: a recording under the film, all else into it. */
const lay = (source) => (source.kind === "audio" ? setMusic(source) : addClips([source]));

function Shelf({ close }) {
  const jobs = useLive((state) => state.jobs);
  const [address, setAddress] = useState("");
  const useful = [...jobs.values()].filter((job) => isOver(job) && ["video", "image", "audio"].includes(job.outputs?.[0]?.kind)).sort((a, b) => (a.job_id < b.job_id ? 1 : -1)).slice(0, 24);
  async function take(event) {
    event.preventDefault();
    try { lay(await fromAddress(address.trim())); close(); } catch (error) { say(error.message); }
  }
  return html`<div class="shelf" onKeyDown=${(event) => event.key === "Escape" && close()}>
    ${useful.length ? html`<ul>${useful.map((job) => html`<li key=${job.job_id}><button onClick=${() => lay(fromJob(job))}>
      <${Thumb} job=${job} /><span><b class="clip-text">${titleOf(job)}</b><span class="tiny faint">${TYPES[job.type].name}</span></span></button></li>`)}</ul>`
      : html`<p class="small soft">Finished jobs with a picture or sound appear here.</p>`}
    <form class="row nowrap" onSubmit=${take}><input class="input" aria-label="Address" placeholder="or an address: https://…, storage://…" value=${address}
      onInput=${(event) => setAddress(event.target.value)} /><button class="button" disabled=${address.length < 5}>Add</button></form>
  </div>`;
}
