// What a job would take and cost, before it is submitted.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { range, usd } from "../format.js";

const PAUSE_MS = 350;

/** `{estimate, error}` for this body of `POST /jobs`, asked again when it changes; nothing for null. */
export function useEstimate(body) {
  const [answer, setAnswer] = useState({ estimate: null, error: null });
  const asked = body && JSON.stringify(body);
  useEffect(() => {
    if (!asked) return setAnswer({ estimate: null, error: null });
    const stop = new AbortController();
    const timer = setTimeout(() => post("/estimate", JSON.parse(asked), { signal: stop.signal }).then(
      (estimate) => setAnswer({ estimate, error: null }),
      (error) => stop.signal.aborted || setAnswer((before) => ({ ...before, error })),
    ), PAUSE_MS);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [asked]);
  return answer;
}

export function Estimate({ estimate }) {
  const isFree = estimate && estimate.usd_per_second === 0;
  return html`<div class="estimate" aria-live="polite"><dl>
    <div><dt>Time</dt><dd class="num">${estimate ? range(estimate.low_seconds, estimate.high_seconds) : "–"}</dd></div>
    <div><dt>Cost</dt><dd class="num">${!estimate ? "–" : isFree ? "free" : estimate.low_usd === estimate.high_usd ? usd(estimate.low_usd) : `${usd(estimate.low_usd)} – ${usd(estimate.high_usd)}`}</dd></div>
    </dl><p class="tiny faint num">${!estimate ? "Fill in what is needed to see an estimate."
      : `${estimate.basis === "history" ? `From your last ${estimate.samples} of these.` : "A first guess: after five of these it is from your own."} ${
        isFree ? "It runs on this machine." : `At most ${usd(estimate.worst_case_usd)}, which is reserved while it runs.`}`}</p>
    ${estimate?.model?.licence.commercial === "no" && html`<p class="tiny licence careful">${estimate.model.title}: not for anything that earns money (${estimate.model.licence.id}).</p>`}
  </div>`;
}
