// The true preview: the same film made small and quickly by the server, shown over the monitor.
import { html } from "../../vendor/preact-htm.js";
import { post, reachable } from "../api.js";
import { Icon } from "../icons.js";
import { isOver, useJob } from "../live.js";
import { say } from "../notices.js";
import { Progress, situation } from "../parts/status.js";
import { createStore, useStore } from "../store.js";
import { desk, playhead } from "./desk.js";
import { toParams } from "./params.js";

/** The preview's job id, or null while the desk's own monitor is shown. */
export const truePreview = createStore(null);

export async function makePreview() {
  const { film, sources } = desk.get();
  const params = toParams(film, sources);
  playhead.set({ ...playhead.get(), playing: false });
  try {
    const body = { type: "EXPORT", params: { ...params, output: { ...params.output, profile: "preview", also: [] } },
      labels: { name: `${film.name || "Untitled film"}, preview`, purpose: "preview" } };
    truePreview.set((await post("/jobs", body)).job_id);
  } catch (error) { say(error.message); }
}

export function TruePreview() {
  const id = useStore(truePreview);
  const job = useJob(id);
  const close = () => {
    if (job && !isOver(job)) post(`/jobs/${id}/cancel`).catch(() => {});
    truePreview.set(null);
  };
  const output = job?.status === "SUCCEEDED" ? job.outputs?.find(({ kind }) => kind === "video") : null;
  return html`<div class="true-preview">
    ${output ? html`<video src=${reachable(output.url)} controls autoplay playsinline aria-label="True preview"></video>`
      : html`<div class="stack"><p class="small">${job?.status === "FAILED" ? job.error : job ? situation(job) : "Sending the film"}</p>${job ? html`<${Progress} job=${job} label="Progress of the preview" />` : null}</div>`}
    <button class="button close" onClick=${close}><${Icon} name="cross" />${output ? "Back to the desk" : "Stop"}</button>
  </div>`;
}
