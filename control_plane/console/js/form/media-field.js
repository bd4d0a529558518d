// A file for a job: dropped, chosen, or named by its address.
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { bytes } from "../format.js";
import { Icon } from "../icons.js";
import { useLive } from "../live.js";
import { kindOf, upload } from "../upload.js";
import { spelled, titleOf } from "../words.js";

const ACCEPTS = { image: "image/*", video: "video/*", audio: "audio/*", media: "image/*,video/*,audio/*" };

export function MediaField({ field, value, onChange, wrong }) {
  const [file, setFile] = useState(null);
  const chosen = useRef(null);
  const id = `field-${field.name}`;
  async function take(given) {
    if (!given) return;
    const kind = kindOf(given);
    if (field.kind !== "media" && kind !== field.kind) return setFile({ name: given.name, error: `This is not ${field.kind === "video" ? "a video" : field.kind === "image" ? "a picture" : "a recording"}.` });
    const shown = { name: given.name, size: given.size, preview: URL.createObjectURL(given), kind };
    setFile({ ...shown, share: 0 });
    try {
      const address = await upload(given, (share) => setFile({ ...shown, share }));
      setFile({ ...shown, share: 1 });
      onChange(address);
    } catch (error) { setFile({ ...shown, error: error.message }); }
  }
  const drop = (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); };
  const clear = () => { setFile(null); onChange(null); };
  return html`<div class="field media-field">
    <label for=${id}>${spelled(field.name)}${field.required ? "" : html`<span class="faint"> (optional)</span>`}</label>
    ${value || file ? html`<${Chosen} file=${file} value=${value} clear=${clear} />` : html`
      <div class="drop" onDragOver=${(event) => event.preventDefault()} onDrop=${drop}>
        <${Icon} name="upload" /><p>Drop ${field.kind === "audio" ? "a recording" : field.kind === "video" ? "a video" : field.kind === "image" ? "a picture" : "a file"} here, or</p>
        <button type="button" class="button" aria-label=${`Choose a file: ${spelled(field.name)}`} onClick=${() => chosen.current.click()}>Choose a file</button>
        <input id=${id} ref=${chosen} class="hidden-text" type="file" tabindex="-1" accept=${ACCEPTS[field.kind]} onChange=${(event) => take(event.target.files[0])} />
      </div>
      <${Elsewhere} field=${field} onChange=${onChange} />`}
    ${wrong ? html`<p class="wrong" role="alert">${wrong}</p>` : null}
  </div>`;
}

function Chosen({ file, value, clear }) {
  return html`<div class="chosen">
    ${file?.kind === "image" ? html`<img src=${file.preview} alt="" />` : file?.kind === "video" ? html`<video src=${file.preview} muted preload="metadata"></video>`
      : html`<${Icon} name=${file?.kind === "audio" ? "sound" : "file"} />`}
    <div class="grow"><b class="clip-text">${file?.name ?? value.replace(/^storage:\/\/.*\//, "")}</b>
      ${file?.error ? html`<span class="wrong" role="alert">${file.error}</span>`
        : file && file.share < 1 ? html`<span class="tiny faint num">uploading, ${Math.round(file.share * 100)}%</span>`
        : html`<span class="tiny faint num clip-text">${file?.size ? `${bytes(file.size)}, uploaded` : value}</span>`}</div>
    <button type="button" class="button plain" onClick=${clear}>Change</button>
  </div>`;
}

/** An address, or the output of a job there is. */
export function Elsewhere({ field, onChange }) {
  const jobs = useLive((state) => state.jobs);
  const kind = field.kind === "images" ? "image" : field.kind;
  const useful = [...jobs.values()].filter((job) => kind === "media" ? job.outputs?.length : job.outputs?.[0]?.kind === kind).slice(0, 30);
  const listed = `known-${field.name}`;
  const take = (event) => { const text = event.target.value.trim(); if (text) onChange(text); };
  return html`<input class="input" aria-label=${`${spelled(field.name)}: an address`} list=${listed} placeholder="or an address: https://…, storage://…, job:…" onChange=${take} />
    <datalist id=${listed}>${useful.map((job) => html`<option key=${job.job_id} value=${`job:${job.job_id}`}>${titleOf(job)}</option>`)}</datalist>`;
}
