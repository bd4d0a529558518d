// What can be done with a job.
import { html, useState } from "../../vendor/preact-htm.js";
import { call, post } from "../api.js";
import { curlOf } from "../curl.js";
import { Icon } from "../icons.js";
import { isOver, loadJob } from "../live.js";
import { say } from "../notices.js";
import { go, to } from "../routes.js";

export function JobActions({ job }) {
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const doing = (work) => async () => {
    setBusy(true);
    try { await work(); } catch (error) { say(error.message); } finally { setBusy(false); }
  };
  const cancel = doing(async () => {
    await post(`/jobs/${job.job_id}/cancel`);
    await loadJob(job.job_id);
  });
  const retry = doing(async () => go(to.job((await post(`/jobs/${job.job_id}/retry`)).job_id)));
  const remove = doing(async () => {
    await call("DELETE", `/jobs/${job.job_id}`);
    say("The job and its outputs are gone.");
    go(to.jobs());
  });
  const copy = doing(async () => {
    await navigator.clipboard.writeText(curlOf(job));
    say("Copied. The command reads the key from RUSHES_API_KEY.");
  });
  const edit = job.type === "EXPORT" && !job.params.tracks?.length ? to.timeline(job.job_id) : to.create(job.type, job.job_id);
  return html`<div class="row actions">
    ${!isOver(job) ? html`<button class="button danger" disabled=${busy || job.cancel_requested_at} onClick=${cancel}><${Icon} name="stop" />${
      job.cancel_requested_at ? "Stopping" : "Cancel"}</button>` : null}
    ${isOver(job) ? html`<button class=${`button ${job.status === "FAILED" ? "main" : ""}`} disabled=${busy} onClick=${retry}><${Icon} name="retry" />Retry</button>` : null}
    <a class="button" href=${edit}><${Icon} name="edit" />Duplicate and edit</a>
    <button class="button" onClick=${copy}><${Icon} name="copy" />Copy as curl</button>
    ${isOver(job) ? html`<button class=${`button danger ${sure ? "" : "square"}`} aria-label=${sure ? undefined : "Delete"} disabled=${busy}
      onClick=${sure ? remove : () => setSure(true)} onBlur=${() => setSure(false)}><${Icon} name="trash" />${sure ? "Delete with its outputs" : null}</button>` : null}
  </div>`;
}
