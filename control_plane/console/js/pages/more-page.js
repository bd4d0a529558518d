// On a phone: the pages that have no tab.
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { PageHead } from "../parts/page.js";
import { Pulse } from "../parts/pulse.js";
import { to } from "../routes.js";

const PLACES = [
  ["twins", "Twins", "twin", "People and things that models know"], ["models", "Models", "models", "What jobs can be made with, and under which licence"],
  ["spend", "Spend", "money", "Today and this month, against the caps"], ["endpoint", "Endpoint", "endpoint", "Where jobs run, and why they wait"],
];

export const MorePage = () => html`<div class="page"><${PageHead} title="More" />
  <ul class="job-list places">${PLACES.map(([place, name, icon, about]) => html`<li key=${place}><a href=${to.page(place)}>
    <${Icon} name=${icon} /><span class="grow"><b>${name}</b><span class="tiny faint">${about}</span></span><${Icon} name="right" /></a></li>`)}</ul>
  <div class="panel"><${Pulse} /></div>
</div>`;
