// Where the job is: its stage in plain words, what is left, a preview; or what went wrong and what to do next.
import { html } from "../../vendor/preact-htm.js";
import { reachable } from "../api.js";
import { left, seconds, took } from "../format.js";
import { Icon } from "../icons.js";
import { isOver } from "../live.js";
import { to } from "../routes.js";
import { nextStep } from "../words.js";
import { useAsked } from "../asked.js";
import { Progress, Status, said } from "./status.js";

export function Stage({ job }) {
  if (job.status === "FAILED") return html`<${Failed} job=${job} />`;
  if (isOver(job)) return html`<${Ended} job=${job} />`;
  return html`<section class="panel stack" aria-label="Progress">
    <div class="row apart"><${Status} job=${job} /><span class="small soft num">${left(job.expected_finish) ?? ""}</span></div>
    <${Progress} job=${job} />
    <p class="stage-words" aria-live="polite">${said(job)}</p>
    ${job.preview_url ? html`<img class="preview" src=${reachable(job.preview_url)} alt="What is being made, so far" />` : null}
    ${job.status === "QUEUED" ? html`<${Wait} job=${job} />` : null}
  </section>`;
}

function Wait({ job }) {
  const { data: endpoint } = useAsked("/endpoint", 10_000);
  const isHeld = /budget|held/.test(job.stage);
  const place = job.queue_position;
  return html`<div class="stack tight small soft">
    ${place ? html`<p class="num">${place === 1 ? "It is the next to start." : `It is number ${place} in line.`}</p>` : null}
    ${isHeld ? html`<div class="note warm"><${Icon} name="money" /><div>It starts by itself as soon as the budget allows.
      To let it start now, cancel something that runs or raise a cap. <a href=${to.page("spend")}>See Spend</a></div></div>` : null}
    ${!isHeld && endpoint?.advice ? html`<div class="note warm"><${Icon} name="endpoint" /><div>${endpoint.advice}.${" "}
      <a href=${to.page("endpoint")}>See Endpoint</a></div></div>` : null}
    ${!isHeld && endpoint?.usual_wait ? html`<p class="num">Waits here usually take up to ${seconds(endpoint.usual_wait.high_seconds)}.</p>` : null}
  </div>`;
}

const Failed = ({ job }) => html`<section class="note bad failed" aria-label="What went wrong"><${Icon} name="warn" />
  <div class="stack tight"><h2>It failed</h2>
    <p class="break">${job.error}</p>
    <p><strong>Next:</strong> ${nextStep(job)} <${Place} words=${nextStep(job)} /></p>
    <p class="tiny faint">${job.error_code}</p></div>
</section>`;

/** Where the page that the words name is. */
function Place({ words }) {
  const [name] = /\b(Models|Endpoint)\b/.exec(words) ?? [];
  return name ? html`<a href=${to.page(name.toLowerCase())}>Open ${name}</a>` : null;
}

function Ended({ job }) {
  const time = took(job);
  return html`<div class="row apart ended"><${Status} job=${job} />
    <span class="small soft num">${job.status === "SUCCEEDED" && time !== null ? `in ${seconds(time)}` : time === null ? "" : `after ${seconds(time)}`}</span></div>`;
}
