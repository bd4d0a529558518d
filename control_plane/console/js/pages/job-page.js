// One job: how it stands, what came out, what went in, what it cost, all that happened.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { Attempts } from "../parts/attempts.js";
import { EventLog } from "../parts/event-log.js";
import { Facts } from "../parts/facts.js";
import { JobActions } from "../parts/job-actions.js";
import { Outputs } from "../parts/outputs.js";
import { Empty, Trouble } from "../parts/page.js";
import { Stage } from "../parts/stage.js";
import { Icon } from "../icons.js";
import { isOver, loadJob, useJob, useLive } from "../live.js";
import { to } from "../routes.js";
import { TYPES, titleOf } from "../words.js";

const LOOK_MS = 3000; // the preview, the cost so far and the time left are not in events

export function JobPage({ id }) {
  const job = useJob(id);
  const connection = useLive((state) => state.connection);
  const [error, setError] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    loadJob(id, stop.signal).then(() => setError(null), (wrong) => stop.signal.aborted || setError(wrong));
    return () => stop.abort();
  }, [id, job?.status, job?.attempts, connection === "live"]);
  useEffect(() => {
    if (job?.status !== "RUNNING") return undefined;
    const timer = setInterval(() => document.hidden || loadJob(id).catch(() => {}), LOOK_MS);
    return () => clearInterval(timer);
  }, [id, job?.status]);
  if (!job && [404, 422].includes(error?.status))
    return html`<div class="page"><${Empty} top icon="search" title="There is no such job" action=${html`<a class="button" href=${to.jobs()}>All jobs</a>`}>
      It may have been deleted, with its outputs.<//></div>`;
  if (!job?.params) return html`<div class="page"><${Trouble} error=${error} /><h1 class="hidden-text">Job</h1></div>`;
  return html`<div class="page">
    <header class="job-head">
      <a class="small soft row" href=${to.jobs()}><${Icon} name="left" />Jobs</a>
      <div class="row apart">
        <div class="grow"><h1 class="break">${titleOf(job)}</h1><p class="small soft">${TYPES[job.type].name}</p></div>
        <${JobActions} job=${job} />
      </div>
    </header>
    <${Trouble} error=${job ? null : error} />
    <div class="job-body">
      <div class="stack">
        <${Stage} job=${job} />
        ${isOver(job) ? html`<${Outputs} job=${job} />` : null}
        <${EventLog} job=${job} />
      </div>
      <div class="stack">
        <${Facts} job=${job} />
        <${Attempts} job=${job} />
      </div>
    </div>
  </div>`;
}
