// A new job: which type, then its form.
import { html } from "../../vendor/preact-htm.js";
import { JobForm } from "../form/job-form.js";
import { Icon } from "../icons.js";
import { PageHead } from "../parts/page.js";
import { to } from "../routes.js";
import { TYPES } from "../words.js";

export default function NewPage({ id, query }) {
  if (TYPES[id]) return html`<${JobForm} type=${id} query=${query} />`;
  return html`<div class="page"><${PageHead} title="What shall it be?" about="Each form says what it would take and cost before anything starts." />
    <ul class="cards kinds">${Object.entries(TYPES).map(([type, { verb, icon, about }]) => html`<li key=${type}>
      <a class="panel card kind" href=${type === "EXPORT" ? to.timeline() : to.create(type)}><${Icon} name=${icon} /><span><b>${verb}</b><span class="small soft">${about}</span></span></a></li>`)}</ul>
    <p class="small soft">Have the whole film as JSON? <a href=${to.create("EXPORT")}>Paste it here</a>.</p>
  </div>`;
}
