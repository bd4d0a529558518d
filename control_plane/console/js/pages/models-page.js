// What jobs can be made with: licence, needs, abilities.
import { html } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { Icon } from "../icons.js";
import { PageHead, Trouble } from "../parts/page.js";
import { to } from "../routes.js";
import { TYPES } from "../words.js";

export function ModelsPage() {
  const { data: models, error, again } = useAsked("/models");
  return html`<div class="page">
    <${PageHead} title="Models" about="What jobs can name as their model. Each has its own licence: it says whether you may sell what you make." />
    <${Trouble} error=${error} again=${again} />
    <ul class="cards">${(models ?? []).map((model) => html`<${Model} key=${model.id} model=${model} />`)}</ul>
  </div>`;
}

function Model({ model }) {
  const { licence, needs, video } = model;
  return html`<li class="panel card">
    <div><h2>${model.title}</h2><code class="tiny faint">${model.id}</code></div>
    <p class="row">${model.job_types.map((type) => html`<span key=${type} class=${`tag ${model.default_for.includes(type) ? "main" : ""}`}>${TYPES[type].name}${
      model.default_for.includes(type) ? ", the default" : ""}</span>`)}</p>
    ${model.note ? html`<p class="small soft">${model.note}</p>` : null}
    <${Licence} licence=${licence} />
    <dl class="facts">
      <div><dt>GPU memory</dt><dd class="num">${needs.gpu_gb ? `${needs.gpu_gb} GB${needs.gpu_gb_off_loaded && needs.gpu_gb_off_loaded < needs.gpu_gb ? `, or ${needs.gpu_gb_off_loaded} GB much slower` : ""}` : "none: any machine"}</dd></div>
      ${needs.disk_gb ? html`<div><dt>Disk</dt><dd class="num">${needs.disk_gb} GB</dd></div>` : null}
      ${video ? html`<div><dt>Longest</dt><dd class="num">${Math.round(video.longest_seconds * 10) / 10} s at ${video.fps} fps</dd></div>
        <div><dt>Twins</dt><dd>${video.lora ? "yes" : "no"}</dd></div>` : null}
    </dl>
    <p class="row end">${model.job_types.filter((type) => type !== "EXPORT").map((type) =>
      html`<a key=${type} class="button" href=${`#/new/${type}?model=${encodeURIComponent(model.id)}`}><${Icon} name=${TYPES[type].icon} />${TYPES[type].verb}</a>`)}</p>
  </li>`;
}

const MAY_SELL = {
  yes: "What you make may be sold.",
  register: "What you make may be sold once you have registered with its makers.",
  limits: "What you make may be sold, up to a size of business.",
  no: "Not for anything that earns money.",
};

function Licence({ licence }) {
  const isFree = licence.commercial === "yes";
  const words = [MAY_SELL[licence.commercial], licence.says, licence.regions_excluded.length ? `Not in ${licence.regions_excluded.join(", ")}.` : null];
  return html`<p class=${`small licence ${isFree ? "good" : "careful"}`}><${Icon} name=${isFree ? "check" : "warn"} />
    <span>${/^https:/.test(licence.url) ? html`<a href=${licence.url} target="_blank" rel="noopener noreferrer">${licence.id}</a>` : licence.id}.
    <span class="soft"> ${words.filter(Boolean).join(" ")}</span></span></p>`;
}
