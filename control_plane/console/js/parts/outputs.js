// What a job has made: played, heard, looked at, fetched.
import { html, useState } from "../../vendor/preact-htm.js";
import { reachable } from "../api.js";
import { bytes, clock } from "../format.js";
import { Icon } from "../icons.js";

export function Outputs({ job }) {
  const outputs = job.outputs ?? [];
  const [chosen, choose] = useState(0);
  if (!outputs.length) return null;
  const shown = outputs[Math.min(chosen, outputs.length - 1)];
  return html`<section class="panel outputs" aria-label="Output">
    <${Player} key=${shown.key} output=${shown} />
    <ul class="files">${outputs.map((output, n) => html`<li key=${output.key} class="row apart">
      <button class="file" aria-pressed=${outputs.length > 1 ? n === chosen : undefined} onClick=${() => choose(n)}>
        <b>${nameOf(output)}</b><span class="tiny faint num">${measures(output)}</span></button>
      <a class="button" href=${reachable(output.url)} download=${nameOf(output)} target="_blank" rel="noopener"
        aria-label=${`Download ${nameOf(output)}`}><${Icon} name="download" />Download</a>
    </li>`)}</ul>
    ${job.engine?.name ? html`<p class="tiny faint">Made by ${job.engine.name}${job.engine.device ? ` on ${job.engine.device}` : ""}${
      job.engine.seed !== undefined && job.engine.seed !== null ? `, seed ${job.engine.seed}` : ""}.</p>` : null}
    ${Object.entries(job.engine ?? {}).filter(([name]) => /note|warning|clamp/.test(name)).map(([name, words]) =>
      html`<p key=${name} class="tiny soft">${[words].flat().join(" ")}</p>`)}
  </section>`;
}

const nameOf = (output) => output.key.split("/").pop();
const measures = (output) => [
  output.width ? `${output.width} × ${output.height}` : null,
  output.duration_seconds ? clock(output.duration_seconds, true) : null,
  output.fps ? `${Math.round(output.fps * 100) / 100} fps` : null,
  bytes(output.bytes),
].filter(Boolean).join(" · ");

export function Player({ output }) {
  const source = reachable(output.url);
  const shape = output.width ? { aspectRatio: `${output.width} / ${output.height}` } : {};
  if (output.kind === "video" && output.content_type === "image/gif" || output.kind === "image")
    return html`<img class="screen" style=${shape} src=${source} alt=${nameOf(output)} />`;
  if (output.kind === "video") return html`<video class="screen" style=${shape} src=${source} controls playsinline preload="metadata" aria-label=${nameOf(output)}></video>`;
  if (output.kind === "audio") return html`<div class="sound"><${Icon} name="sound" /><audio src=${source} controls preload="metadata" aria-label=${nameOf(output)}></audio></div>`;
  return html`<div class="sound"><${Icon} name="file" /><span class="soft small">${nameOf(output)} is a file for other programs.</span></div>`;
}
