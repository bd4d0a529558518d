// Where jobs run: is it there, is it warm, why do jobs wait, what to do about it.
import { html } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { seconds } from "../format.js";
import { Icon } from "../icons.js";
import { PageHead, Trouble } from "../parts/page.js";
import { ENDPOINT_STATES, TYPES, spelled } from "../words.js";

export function EndpointPage() {
  const { data: endpoint, error, again } = useAsked("/endpoint", 5000);
  const { data: health } = useAsked("/health", 10_000);
  return html`<div class="page">
    <${PageHead} title="Endpoint" about="Where jobs run. RunPod says only that a job is in its queue; here is why." />
    <${Trouble} error=${error} again=${again} />
    ${endpoint ? html`<${Card} endpoint=${endpoint} title=${Object.keys(endpoint.by_type).length ? "Every other type" : null} />` : html`<div class="panel state-card"></div>`}
    ${Object.entries(endpoint?.by_type ?? {}).map(([type, special]) => html`<${Card} key=${type} endpoint=${special} title=${TYPES[type].name} />`)}
    ${health ? html`<section class="panel" aria-label="This server"><h2>This server</h2><dl class="facts">
      <div><dt>Version</dt><dd class="num">${health.version}</dd></div>
      <div><dt>Store</dt><dd class="break">${health.store}</dd></div>
      <div><dt>Its state</dt><dd>${health.store_message ?? (health.store_conditional_puts === "ignored" ? "works; the bucket ignores conditional puts, so the slower, safe way is taken" : "works")}</dd></div>
    </dl></section>` : null}
  </div>`;
}

function Card({ endpoint, title }) {
  const state = ENDPOINT_STATES[endpoint.state] ?? { name: spelled(endpoint.state), tone: "busy" };
  const isIdle = endpoint.state === "waiting_for_worker" && !endpoint.jobs.inQueue && endpoint.workers.idle > 0;
  const isBusy = endpoint.state === "waiting_for_worker" && !isIdle && endpoint.workers.running > 0;
  return html`<section class="panel state-card" aria-label=${title ?? "State"}>
    ${title ? html`<h2>${title}</h2>` : null}
    <p class="big"><i class=${`lamp ${state.tone}`}></i>${state.name}</p>
    <p class="soft">${isIdle ? "A worker is ready and takes the next job at once." : isBusy ? "Every worker is at work; the next job starts when one is free." : `${endpoint.message}.`}</p>
    ${endpoint.advice ? html`<div class="note warm"><${Icon} name="warn" /><div><strong>What to do:</strong> ${endpoint.advice}.</div></div>` : null}
    ${endpoint.usual_wait ? html`<p class="small soft num">A job usually waits ${endpoint.usual_wait.low_seconds ? `${seconds(endpoint.usual_wait.low_seconds)} to ` : "less than "}${
      seconds(endpoint.usual_wait.high_seconds)} here (from ${endpoint.usual_wait.samples} of your own).</p>` : null}
    <div class="counts"><${Counts} title="Workers" counts=${endpoint.workers} /><${Counts} title="Jobs there" counts=${endpoint.jobs} /></div>
    <p class="tiny faint break">${endpoint.url === "local" ? "The built-in endpoint: worker processes on this machine." : endpoint.url}</p>
  </section>`;
}

function Counts({ title, counts }) {
  const some = Object.entries(counts).filter(([, count]) => count);
  return html`<div><h2>${title}</h2>${some.length ? html`<ul class="count-row">${some.map(([name, count]) => html`<li key=${name}>
    <b class="num">${count}</b>${name.replace(/([A-Z])/g, " $1").toLowerCase()}</li>`)}</ul>` : html`<p class="small faint">none</p>`}</div>`;
}
