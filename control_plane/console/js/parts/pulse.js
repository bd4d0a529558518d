// The endpoint's state and today's spend, in a corner.
import { html } from "../../vendor/preact-htm.js";
import { useAsked } from "../asked.js";
import { usd } from "../format.js";
import { to } from "../routes.js";
import { ENDPOINT_STATES } from "../words.js";

export function Pulse() {
  const { data: endpoint } = useAsked("/endpoint", 15_000);
  const { data: budget } = useAsked("/budget", 15_000);
  const state = endpoint && (ENDPOINT_STATES[endpoint.state] ?? { name: endpoint.state, tone: "busy" });
  const today = budget?.today;
  return html`
    <a class="pulse" href=${to.page("endpoint")}>
      <i class=${`lamp ${state?.tone ?? ""}`}></i><b>Endpoint: ${state?.name.toLowerCase() ?? "…"}</b>
      <span>${endpoint?.url === "local" ? "built-in, this machine" : "RunPod"}</span>
    </a>
    <a class="pulse" href=${to.page("spend")}>
      <i class=${`lamp ${budget?.held_jobs ? "bad" : ""}`}></i><b class="num">Today: ${today ? usd(today.spent_usd) : "…"}</b>
      <span class="num">${today ? today.cap_usd === null ? "no daily cap" : `of ${usd(today.cap_usd)}` : "…"}${budget?.held_jobs ? `, ${budget.held_jobs} held` : ""}</span>
    </a>`;
}
