// One job in the list.
import { html } from "../../vendor/preact-htm.js";
import { ago, seconds, took, usd } from "../format.js";
import { Icon } from "../icons.js";
import { isOver } from "../live.js";
import { to } from "../routes.js";
import { TYPES, titleOf } from "../words.js";
import { Progress, Status, situation } from "./status.js";
import { Thumb } from "./thumb.js";

export function JobRow({ job }) {
  const time = took(job);
  const facts = [TYPES[job.type].name, isOver(job) && time ? seconds(time) : null, job.cost_usd ? usd(job.cost_usd) : null];
  return html`<li><a class="job-row" href=${to.job(job.job_id)}>
    <${Thumb} job=${job} />
    <span class="what"><b class="clip-text">${titleOf(job)}</b><span class="clip-text num">${facts.filter(Boolean).join(" · ")}</span></span>
    <span class="how">
      <${Status} job=${job} />
      <${Progress} job=${job} label=${`Progress of ${titleOf(job)}`} />
      ${job.status === "SUCCEEDED" || job.status === "CANCELED" ? null : html`<span class="tiny faint clip-text" title=${situation(job)}>${situation(job)}</span>`}
    </span>
    <span class="when"><time datetime=${job.created_at}>${ago(job.created_at)}</time></span>
    <${Icon} name="right" />
  </a></li>`;
}
