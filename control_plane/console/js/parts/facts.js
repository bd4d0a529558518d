// What went in, and the bare facts.
import { html } from "../../vendor/preact-htm.js";
import { date, usd } from "../format.js";
import { to } from "../routes.js";
import { spelled } from "../words.js";

export function Facts({ job }) {
  const inputs = Object.entries(job.params).filter(([name, value]) => !isNothing(value) && USUAL[name] !== value);
  const facts = [
    ["Cost", `${usd(job.cost_usd)}${job.max_cost_usd === null ? "" : ` of at most ${usd(job.max_cost_usd)}`}`],
    ["Asked", date(job.created_at)],
    job.started_at && ["Started", date(job.started_at)],
    job.finished_at && ["Ended", date(job.finished_at)],
    job.priority && ["Priority", String(job.priority)],
    ...Object.entries(job.labels),
  ].filter(Boolean);
  return html`<section class="panel" aria-label="Inputs"><h2>Inputs</h2>
      <dl class="facts">${inputs.map(([name, value]) => html`<div key=${name}><dt>${spelled(name)}</dt><dd><${Value} value=${value} /></dd></div>`)}</dl>
    </section>
    <section class="panel" aria-label="Facts"><h2>Facts</h2>
      <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${spelled(name)}</dt><dd class="num break">${value}</dd></div>`)}
        ${job.retry_of ? html`<div><dt>Retry of</dt><dd><a href=${to.job(job.retry_of)}>the job before</a></dd></div>` : null}
        <div><dt>Id</dt><dd class="break"><code>${job.job_id}</code></dd></div>
        ${job.runpod_job_id ? html`<div><dt>RunPod id</dt><dd class="break"><code>${job.runpod_job_id}</code></dd></div>` : null}
      </dl>
    </section>`;
}

const USUAL = { version: 1, caption_style: "plain", style: "none", profile: "exact", fit: "crop" };
const LONG = 280;
const isNothing = (value) => value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);

function Value({ value }) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "object") return html`<details class="more"><summary>${Array.isArray(value) ? `${value.length} of them` : "Show"}</summary>
    <pre tabindex="0">${JSON.stringify(value, null, 1)}</pre></details>`;
  const text = String(value);
  if (/^job:/.test(text)) return html`<a href=${to.job(text.slice(4))}>output of another job</a>`;
  if (text.length > LONG) return html`<details class="more long"><summary class="break">${text}</summary></details>`;
  return html`<span class="break num">${text.replace(/^storage:\/\/.*\//, "")}</span>`;
}
