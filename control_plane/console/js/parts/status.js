// How a job stands, at a glance: sign, word and bar.
import { html } from "../../vendor/preact-htm.js";
import { left } from "../format.js";
import { Icon } from "../icons.js";
import { isOver } from "../live.js";
import { STATUSES } from "../words.js";

const SIGNS = { good: "check", bad: "warn", quiet: "stop", waiting: "clock" };

export function Status({ job }) {
  const { name, tone } = STATUSES[job.status];
  const isStopping = job.cancel_requested_at && !isOver(job);
  return html`<span class=${`state ${isStopping ? "quiet" : tone}`}>
    ${tone === "running" ? html`<i class="dot"></i>` : html`<${Icon} name=${SIGNS[tone]} />`}
    ${isStopping ? "Stopping" : name}${job.status === "RUNNING" && !isStopping ? html` <span class="num">${job.progress}%</span>` : null}
  </span>`;
}

export function Progress({ job, label }) {
  if (isOver(job)) return null;
  const unsure = job.status === "QUEUED" || job.progress === 0;
  return html`<div class=${`bar ${unsure && job.status === "RUNNING" ? "unsure" : ""}`} role="progressbar" aria-label=${label ?? "Progress"}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${unsure ? undefined : job.progress}>
    <i style=${unsure ? (job.status === "QUEUED" ? { transform: "scaleX(0)" } : {}) : { transform: `scaleX(${job.progress / 100})` }}></i>
  </div>`;
}

/** The stage in words, as a sentence begins. */
export function said(job) {
  const words = job.stage_message || "Waiting";
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The stage, the place in the line, and the time left, in one line of words. */
export function situation(job) {
  if (job.status === "FAILED") return job.error ?? job.stage_message;
  if (isOver(job)) return job.stage_message;
  const place = job.status === "QUEUED" && job.queue_position > 1 ? `number ${job.queue_position} in line` : null;
  const time = job.status === "RUNNING" ? left(job.expected_finish) : null;
  return [said(job), place, time].filter(Boolean).join(" · ");
}
