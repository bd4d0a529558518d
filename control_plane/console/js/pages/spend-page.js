// Money: today and this month against the caps, what it went to, and at which price.
import { html, useState } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { get } from "../api.js";
import { usd } from "../format.js";
import { Icon } from "../icons.js";
import { say } from "../notices.js";
import { PageHead, Trouble } from "../parts/page.js";
import { TYPES } from "../words.js";

export function SpendPage() {
  const { data: budget, error, again } = useAsked("/budget", 5000);
  return html`<div class="page">
    <${PageHead} title="Spend" about="The worst a job can cost is held back before it starts, and settled when it ends. Failed and canceled tries are counted too. Days and months are UTC." />
    <${Trouble} error=${error} again=${again} />
    ${budget?.held_jobs ? html`<div class="note warm"><${Icon} name="money" /><div><strong>${budget.held_jobs === 1 ? "One job waits" : `${budget.held_jobs} jobs wait`} for money.</strong>${" "}
      ${budget.held_jobs === 1 ? "It starts by itself" : "They start by themselves"} when a running job gives back what it did not need, when the day or month ends, or when you
      raise <code>BUDGET_DAILY_USD</code> or <code>BUDGET_MONTHLY_USD</code> and restart.</div></div>` : null}
    <div class="halves"><${Period} name="Today" period=${budget?.today} /><${Period} name="This month" period=${budget?.month} /></div>
    ${budget ? html`<${Details} budget=${budget} />` : null}
  </div>`;
}

function Period({ name, period }) {
  const cap = period?.cap_usd ?? null;
  const share = (value) => (cap ? Math.min(1, value / cap) : 0);
  return html`<section class="panel gauge" aria-label=${name}><h2>${name}</h2>
    <p class="big num">${period ? usd(period.spent_usd) : "…"}</p>
    <p class="small soft num">${!period ? "…" : cap === null ? "There is no cap." : `of ${usd(cap)}, ${usd(period.left_usd)} left`}</p>
    <div class="meter" role="img" aria-label=${period && cap !== null ? `${usd(period.spent_usd)} spent and ${usd(period.reserved_usd)} reserved of ${usd(cap)}` : "No cap"}>
      <i style=${{ width: `${share(period?.spent_usd ?? 0) * 100}%` }}></i><i class="held" style=${{ width: `${share(period?.reserved_usd ?? 0) * 100}%` }}></i></div>
    <p class="tiny faint num">${!period ? "…" : period.reserved_usd ? `${usd(period.reserved_usd)} is reserved for jobs under way.` : "Nothing is reserved."}</p>
  </section>`;
}

function Details({ budget }) {
  return html`<div class="halves">
    <section class="panel" aria-label="By type"><h2>What it went to</h2>
      ${budget.by_type.length ? html`<table class="table"><thead><tr><th scope="col">Type</th><th scope="col">Today</th><th scope="col">Month</th></tr></thead>
        <tbody>${budget.by_type.map((line) => html`<tr key=${line.type}><th scope="row">${TYPES[line.type]?.name ?? line.type}</th>
          <td class="num">${usd(line.today_usd)}</td><td class="num">${usd(line.month_usd)}</td></tr>`)}</tbody></table>`
        : html`<p class="small soft">No job has cost anything this month.</p>`}
    </section>
    <section class="panel stack" aria-label="Prices"><h2>Prices and limits</h2>
      <dl class="facts">
        <div><dt>Most for a job</dt><dd class="num">${budget.job_cap_usd === null ? "no cap" : usd(budget.job_cap_usd)}</dd></div>
        ${budget.prices.map((price) => html`<div key=${price.endpoint}><dt>${price.endpoint === "local" ? "This machine" : "RunPod"}</dt>
          <dd class="num">${price.usd_per_second ? `${usd(price.usd_per_second * 3600)} an hour` : "free"}<br /><span class="tiny faint">${price.source}</span></dd></div>`)}
      </dl>
      <${Bill} />
    </section>
  </div>`;
}

function Bill() {
  const [found, setFound] = useState(null);
  const compare = () => get("/budget?reconcile=true").then(setFound, (error) => say(error.message));
  if (!found) return html`<div><button class="button" onClick=${compare}>Compare with RunPod's bill</button></div>`;
  if (found.reconciliation_message) return html`<p class="small soft" role="status">${found.reconciliation_message}.</p>`;
  return html`<table class="table"><thead><tr><th scope="col">Day</th><th scope="col">Ledger</th><th scope="col">Billed</th></tr></thead>
    <tbody>${found.reconciliation.map((day) => html`<tr key=${day.day}><th scope="row">${day.day}</th><td class="num">${usd(day.ledger_usd)}</td><td class="num">${usd(day.billed_usd)}</td></tr>`)}</tbody></table>`;
}
