// The form of one job type, made from the API's own description.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { post } from "../api.js";
import { Icon } from "../icons.js";
import { loadJob, useJob } from "../live.js";
import { Trouble } from "../parts/page.js";
import { go, to } from "../routes.js";
import { TYPES } from "../words.js";
import { Envelope } from "./envelope.js";
import { Estimate, useEstimate } from "./estimate.js";
import { Field } from "./field.js";
import { PRESETS } from "./presets.js";
import { useSchema } from "./schema.js";

const FIRST = new Set(["prompt", "text", "images", "name", "trigger", "duration", "motion", "strength", "voice_preset", "language",
  "speed", "resolution", "aspect_ratio", "model", "lora", "subject", "clips"]);

export function JobForm({ type, query }) {
  const { fields, error, again } = useSchema(type);
  const from = query.get("from");
  const old = useJob(from);
  const [params, setParams] = useState(() => Object.fromEntries([...query].filter(([name]) => name !== "from")));
  const [envelope, setEnvelope] = useState({});
  const [sending, setSending] = useState({ busy: false, error: null, key: crypto.randomUUID() });
  useEffect(() => { if (from) loadJob(from).catch((wrong) => setSending((now) => ({ ...now, error: wrong }))); }, [from]);
  useEffect(() => {
    if (!old?.params) return;
    setParams(old.params);
    setEnvelope({ max_cost_usd: old.max_cost_usd, name: old.labels.name, priority: old.priority });
  }, [old?.job_id]);
  const body = fields && bodyOf(type, fields, params, envelope);
  const { estimate, error: refused } = useEstimate(body);
  const wrong = wrongFields((sending.error ?? refused)?.fields ?? []);
  const set = (name) => (value) => {
    setParams((now) => wholeFilm(name, value) ?? { ...now, [name]: value });
    setSending((now) => ({ ...now, error: null, key: crypto.randomUUID() }));
  };
  async function submit(event) {
    event.preventDefault();
    if (!body) return;
    setSending((now) => ({ ...now, busy: true, error: null }));
    try {
      const made = await post("/jobs", body, { headers: { "Idempotency-Key": sending.key } });
      go(to.job(made.job_id));
    } catch (trouble) { setSending((now) => ({ ...now, busy: false, error: trouble })); }
  }
  const shown = (pick) => fields.filter(pick).map((field) => html`<${Field} key=${field.name} field=${field} type=${type}
    value=${params[field.name]} wrong=${wrong[field.name]} onChange=${set(field.name)} />`);
  const isFirst = (field) => field.required || FIRST.has(field.name) || (type === "TRAIN_TWIN" && field.name === "consent");
  return html`<div class="page">
    <header class="job-head">
      <a class="small soft row" href=${to.create()}><${Icon} name="left" />Another type</a>
      <div><h1>${TYPES[type].verb}</h1><p class="small soft">${TYPES[type].about}</p></div>
    </header>
    <${Trouble} error=${error} again=${again} />
    ${fields ? html`<form class="job-form" onSubmit=${submit}>
      <div class="panel stack">
        ${PRESETS[type] ? html`<div class="row" role="group" aria-label="Presets">${PRESETS[type].map(([name, values]) => html`<button key=${name} type="button"
          class="chip" onClick=${() => setParams((now) => ({ ...now, ...values }))}>${name}</button>`)}</div>` : null}
        ${shown(isFirst)}
        ${fields.some((field) => !isFirst(field)) ? html`<details class="more" open=${Boolean(from)}><summary><${Icon} name="right" />More options</summary>
          <div class="stack pairs">${shown((field) => !isFirst(field))}</div></details>` : null}
      </div>
      <aside class="panel stack submit">
        <${Envelope} value=${envelope} onChange=${setEnvelope} />
        <${Estimate} estimate=${estimate} />
        <button class="button main wide" disabled=${sending.busy || !body}>${sending.busy ? "Submitting…" : "Submit"}</button>
        ${sending.error && !Object.keys(wrong).length ? html`<p class="note bad" role="alert"><${Icon} name="warn" /><span>${sending.error.message}</span></p>` : null}
      </aside>
    </form>` : html`<div class="job-form" aria-hidden="true"><div class="panel pending"></div></div>`}
  </div>`;
}

/** The body of `POST /jobs`, or null while something needed is missing. */
function bodyOf(type, fields, params, envelope) {
  const given = {};
  for (const { name, kind, required, fewest } of fields) {
    const value = params[name];
    if (kind === "images" ? (value?.length ?? 0) < fewest : required && (value === null || value === undefined || value === "")) return null;
    if (value !== null && value !== undefined && value !== "") given[name] = kind === "json" ? asJson(value) : value;
  }
  if (type === "EXPORT" && !given.clips && !given.tracks) return null;
  const { name, max_cost_usd, priority } = envelope;
  return { type, params: given, ...(name ? { labels: { name } } : {}), ...(max_cost_usd ? { max_cost_usd } : {}), ...(priority ? { priority } : {}) };
}

/** A whole film that was put where its clips belong is all the params. */
function wholeFilm(name, value) {
  const film = name === "clips" && asJson(value);
  return film?.clips || film?.tracks ? film : null;
}

function asJson(value) {
  if (typeof value !== "string") return value;
  try { return JSON.parse(value); } catch { return value; }
}

/** `/params/RENDER/duration` → `duration`. */
function wrongFields(problems) {
  return Object.fromEntries(problems.map(({ pointer, detail }) => [pointer.split("/").filter((part) => !/^(params|[A-Z0-9_]+|)$/.test(part))[0] ?? pointer, detail]).reverse());
}
