// The list of jobs: live, filtered and searched.
import { html, useMemo, useState } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { isOver, loadMore, useLive } from "../live.js";
import { say } from "../notices.js";
import { JobRow } from "../parts/job-row.js";
import { Empty, PageHead } from "../parts/page.js";
import { to } from "../routes.js";
import { TYPES, titleOf } from "../words.js";

const GROUPS = {
  all: ["All", () => true],
  active: ["At work", (job) => !isOver(job)],
  done: ["Done", (job) => job.status === "SUCCEEDED"],
  failed: ["Failed", (job) => job.status === "FAILED"],
  canceled: ["Canceled", (job) => job.status === "CANCELED"],
};

export function JobsPage({ query }) {
  const jobs = useLive((state) => state.jobs);
  const loaded = useLive((state) => state.loaded);
  const cursor = useLive((state) => state.cursor);
  const [group, setGroup] = useState(query.get("group") ?? "all");
  const [type, setType] = useState("");
  const [search, setSearch] = useState("");
  const shown = useMemo(() => filtered(jobs, group, type, search), [jobs, group, type, search]);
  return html`<div class="page">
    <${PageHead} title="Jobs" about="Everything you have asked for, newest first.">
      <a class="button" href=${to.timeline()}><${Icon} name="timeline" />Cut a film</a>
    <//>
    ${loaded && jobs.size === 0 ? html`<${Nothing} />` : html`
      <div class="filters" role="search">
        <fieldset class="choices field"><legend class="hidden-text">Status</legend>
          ${Object.entries(GROUPS).map(([key, [name]]) => html`<label key=${key}>
            <input type="radio" name="group" checked=${group === key} onChange=${() => setGroup(key)} /><span>${name}</span></label>`)}
        </fieldset>
        <select class="input" aria-label="Type" value=${type} onChange=${(event) => setType(event.target.value)}>
          <option value="">Every type</option>
          ${Object.entries(TYPES).map(([key, { name }]) => html`<option key=${key} value=${key}>${name}</option>`)}
        </select>
        <div class="search"><${Icon} name="search" />
          <input class="input" type="search" aria-label="Search" placeholder="Words, label or id" value=${search}
            onInput=${(event) => setSearch(event.target.value)} />
        </div>
      </div>
      <p class="hidden-text" role="status">${loaded ? `${shown.length} jobs shown` : "Loading"}</p>
      ${shown.length ? html`<ul class="job-list">${shown.map((job) => html`<${JobRow} key=${job.job_id} job=${job} />`)}</ul>`
        : loaded ? html`<${Empty} icon="search" title="Nothing matches">Take a filter away${cursor ? ", or load older jobs" : ""}.<//>` : html`<${Waiting} />`}
      ${cursor ? html`<div class="row"><button class="button" onClick=${() => loadMore().catch((error) => say(error.message))}>Load older jobs</button></div>` : null}`}
  </div>`;
}

function filtered(jobs, group, type, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return [...jobs.values()]
    .filter((job) => GROUPS[group][1](job) && (!type || job.type === type) && words.every((word) => textOf(job).includes(word)))
    .sort((a, b) => (a.job_id < b.job_id ? 1 : -1)); // UUIDs of version 7 stand in order of time
}

const textOf = (job) => [titleOf(job), job.job_id, job.type, TYPES[job.type].name, job.stage_message, job.error, job.error_code,
  JSON.stringify(job.labels)].join(" ").toLowerCase();

const Nothing = () => html`<${Empty} icon="film" title="Your first film is a minute away"
  action=${html`<div class="row"><a class="button main" href=${to.timeline()}>Cut a film</a><a class="button" href=${to.create("TTS")}>Speak a text</a></div>`}>
  Drop a few clips on the timeline, put them in order and press Render. Jobs appear here and move by themselves,
  also those of your desktop app and of the command line.<//>`;

const Waiting = () => html`<div class="job-list" aria-hidden="true">${[1, 2, 3].map((n) => html`<div key=${n} class="job-row"></div>`)}</div>`;
