// Everything that was made, as pictures.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { reachable, send } from "../api.js";
import { ago, clock } from "../format.js";
import { Icon } from "../icons.js";
import { LazyVideo } from "../parts/lazy-video.js";
import { Empty, PageHead, Trouble } from "../parts/page.js";
import { to } from "../routes.js";
import { TYPES, titleOf } from "../words.js";

const KINDS = { all: "Everything", video: "Films and shots", audio: "Voices" };

export function GalleryPage() {
  const [kind, setKind] = useState("all");
  const [found, setFound] = useState({ jobs: null, cursor: null, error: null });
  const load = async (cursor) => {
    try {
      const answer = await send("GET", `/jobs?status=SUCCEEDED&limit=48${cursor ? `&cursor=${cursor}` : ""}`);
      const more = await answer.json();
      const next = /[?&]cursor=([0-9a-f-]+)/.exec(answer.headers.get("Link") ?? "")?.[1] ?? null;
      setFound((before) => ({ jobs: [...(cursor ? before.jobs : []), ...more], cursor: next, error: null }));
    } catch (error) { setFound((before) => ({ ...before, error })); }
  };
  useEffect(() => { load(null); }, []);
  const shown = (found.jobs ?? []).filter((job) => job.outputs.some((output) => kind === "all" ? output.kind !== "data" : output.kind === kind));
  return html`<div class="page">
    <${PageHead} title="Gallery" about="What has been made, newest first. Point at a film to see it move.">
      <fieldset class="choices field"><legend class="hidden-text">Kind</legend>${Object.entries(KINDS).map(([key, name]) => html`<label key=${key}>
        <input type="radio" name="kind" checked=${kind === key} onChange=${() => setKind(key)} /><span>${name}</span></label>`)}</fieldset>
    <//>
    <${Trouble} error=${found.error} again=${() => load(null)} />
    ${found.jobs && !shown.length ? html`<${Empty} icon="gallery" title="Nothing here yet"
      action=${html`<a class="button main" href=${to.create()}>Make something</a>`}>Finished films, shots, pictures and voices gather here. They stay
      in your own bucket until you delete them.<//>` : null}
    <ul class="gallery">${shown.map((job) => html`<${Piece} key=${job.job_id} job=${job} />`)}</ul>
    ${found.cursor ? html`<div class="row"><button class="button" onClick=${() => load(found.cursor)}>Load older ones</button></div>` : null}
  </div>`;
}

function Piece({ job }) {
  const main = job.outputs[0];
  const play = ({ currentTarget }) => currentTarget.querySelector("video")?.play().catch(() => {});
  const rest = ({ currentTarget }) => currentTarget.querySelector("video")?.pause();
  return html`<li><a class="piece" href=${to.job(job.job_id)} onMouseEnter=${play} onMouseLeave=${rest} onFocus=${play} onBlur=${rest}>
    <span class="picture"><${Picture} job=${job} />
      ${main.duration_seconds ? html`<span class="length num">${clock(main.duration_seconds)}</span>` : null}</span>
    <b class="clip-text">${titleOf(job)}</b>
    <span class="tiny faint">${TYPES[job.type].name} · ${ago(job.finished_at)}</span>
  </a></li>`;
}

function Picture({ job }) {
  const image = job.outputs.find(({ kind }) => kind === "image");
  const video = job.outputs.find(({ kind, content_type }) => kind === "video" && /mp4|webm|quicktime/.test(content_type));
  if (video) return html`<${LazyVideo} source=${reachable(video.url)} poster=${image && reachable(image.url)} loop />`;
  if (image) return html`<img src=${reachable(image.url)} alt="" loading="lazy" />`;
  if (job.params.text) return html`<q>${job.params.text}</q>`;
  return html`<${Icon} name=${TYPES[job.type].icon} />`;
}
