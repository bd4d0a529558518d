// Every try of a job and what it cost.
import { html } from "../../vendor/preact-htm.js";
import { ago, seconds, usd } from "../format.js";

export function Attempts({ job }) {
  const tries = job.attempt_history ?? [];
  if (!tries.length) return null;
  return html`<section class="panel" aria-label="Attempts"><h2>${tries.length === 1 ? "One attempt" : `${tries.length} attempts`}</h2>
    <ol class="attempts">${tries.map((one) => html`<li key=${one.number}>
      <span class="num faint">${one.number}</span>
      <span class="grow"><b>${one.outcome ? words(one.outcome) : words(one.state)}</b>
        <span class="tiny faint num">${ago(one.prepared_at)}${one.seconds ? ` · ${seconds(one.seconds)}` : ""}${one.gpu ? ` · ${one.gpu}` : ""}</span></span>
      <span class="num">${usd(one.cost_usd)}${one.cost_is_final || !one.cost_usd ? "" : html`<span class="tiny faint"> ${one.ended_at ? "not settled yet" : "so far"}</span>`}</span>
    </li>`)}</ol>
  </section>`;
}

const words = (code) => code.charAt(0) + code.slice(1).toLowerCase().replaceAll("_", " ");
