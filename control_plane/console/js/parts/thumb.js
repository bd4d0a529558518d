// A small picture of what a job has made, or the sign of its type.
import { html } from "../../vendor/preact-htm.js";
import { reachable } from "../api.js";
import { Icon } from "../icons.js";
import { TYPES } from "../words.js";
import { LazyVideo } from "./lazy-video.js";

export function Thumb({ job }) {
  const outputs = job.outputs ?? [];
  const image = outputs.find(({ kind }) => kind === "image");
  const video = outputs.find(({ kind, content_type }) => kind === "video" && /mp4|webm/.test(content_type));
  return html`<span class="thumb">${
    image ? html`<img src=${reachable(image.url)} alt="" loading="lazy" decoding="async" />`
    : video ? html`<${LazyVideo} source=${reachable(video.url)} />`
    : html`<${Icon} name=${TYPES[job.type]?.icon ?? "file"} />`}</span>`;
}
