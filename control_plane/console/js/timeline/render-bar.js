// What the film would take and cost, and the buttons that make it.
import { html, useMemo, useState } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { range, usd } from "../format.js";
import { useEstimate } from "../form/estimate.js";
import { Icon } from "../icons.js";
import { say } from "../notices.js";
import { go, to } from "../routes.js";
import { useStore } from "../store.js";
import { desk, layOut } from "./desk.js";
import { clearDraft } from "./draft.js";
import { EMPTY } from "./film.js";
import { toParams } from "./params.js";
import { onTheirWay } from "./sources.js";
import { makePreview } from "./true-preview.js";

export function RenderBar() {
  const now = useStore(desk);
  const [busy, setBusy] = useState(false);
  const { film, sources } = now;
  const left = onTheirWay(now);
  const body = useMemo(() => film.clips.length ? { type: "EXPORT", params: toParams(film, sources), ...(film.name ? { labels: { name: film.name } } : {}) } : null, [film, sources]);
  const { estimate, error } = useEstimate(body);
  const isReady = body && !left && !error?.fields.length;
  async function render() {
    setBusy(true);
    try { go(to.job((await post("/jobs", body, { headers: { "Idempotency-Key": crypto.randomUUID() } })).job_id)); }
    catch (trouble) { say(trouble.message); setBusy(false); }
  }
  const clear = () => { clearDraft(); layOut(EMPTY, {}); };
  return html`
    <p class="foresight small num" role="status">${error?.fields.length ? html`<span class="wrong-words">${error.message}</span>`
      : left ? `${left === 1 ? "One file is" : `${left} files are`} being uploaded`
      : estimate && body ? html`Takes ${range(estimate.low_seconds, estimate.high_seconds)} · ${estimate.usd_per_second ? `${usd(estimate.low_usd)} – ${usd(estimate.high_usd)}` : "free"}` : ""}</p>
    <div class="row">
      ${film.clips.length ? html`<button class="button plain" onClick=${clear}>New film</button>` : null}
      <button class="button" disabled=${!isReady || busy} onClick=${makePreview}><${Icon} name="play" />True preview</button>
      <button class="button main" disabled=${!isReady || busy} onClick=${render}><${Icon} name="film" />Render film</button>
    </div>`;
}
