// One field of a form, whatever its kind.
import { html } from "../../vendor/preact-htm.js";
import { spelled } from "../words.js";
import { useAsked } from "../asked.js";
import { Icon } from "../icons.js";
import { MediaField } from "./media-field.js";
import { MediaListField } from "./media-list-field.js";

const FEW = 8;
const SLIDES = { duration: [0.5, 30, 0.5], strength: [0.05, 1, 0.05], speed: [0.5, 2, 0.05] };
const UNITS = { duration: "seconds", resolution: "short side" };

export function Field(props) {
  const { field } = props;
  if (field.kind === "images") return html`<${MediaListField} ...${props} />`;
  if (["image", "video", "audio", "media"].includes(field.kind)) return html`<${MediaField} ...${props} />`;
  if (field.kind === "choice" && field.options.length <= FEW) return html`<${Choices} ...${props} />`;
  if (field.kind === "group") return html`<${Group} ...${props} />`;
  if (field.kind === "switch") return html`<${Switch} ...${props} />`;
  return html`<${Labelled} ...${props} />`;
}

const labelOf = (field) => spelled(field.name) + (UNITS[field.name] ? `, ${UNITS[field.name]}` : "");

function Choices({ field, value, onChange }) {
  const now = value ?? field.fallback;
  return html`<fieldset class="field"><legend>${labelOf(field)}</legend>
    <div class="choices">${field.options.map((option) => html`<label key=${option}>
      <input type="radio" name=${field.name} checked=${now === option} onChange=${() => onChange(option)} /><span>${field.name === "aspect_ratio" ? html`<i class="shape" style=${shapeOf(option)}></i>` : null}${/\d/.test(option) ? option : spelled(option)}</span></label>`)}</div>
    ${field.hint ? html`<p class="hint">${plain(field.hint)}</p>` : null}</fieldset>`;
}

function shapeOf(ratio) {
  const [wide, high] = ratio.split(":").map(Number);
  const scale = 0.8 / Math.max(wide, high);
  return { width: `${wide * scale}em`, height: `${high * scale}em` };
}

function Switch({ field, value, onChange }) {
  return html`<label class="switch"><input type="checkbox" role="switch" checked=${value ?? field.fallback} onChange=${(event) => onChange(event.target.checked)} />
    <span>${spelled(field.name)}</span></label>`;
}

/** Fields that belong together, such as a statement of consent: all of them or none. */
function Group({ field, value, onChange, wrong, type }) {
  const set = (name) => (given) => {
    const next = Object.fromEntries(Object.entries({ ...value, [name]: given }).filter(([, one]) => one !== null && one !== ""));
    onChange(Object.keys(next).length ? next : null);
  };
  return html`<fieldset class="field group"><legend>${spelled(field.name)}</legend>${field.hint ? html`<p class="hint">${plain(field.hint)}</p>` : null}
    <div class="stack pairs">${field.parts.map((part) => html`<${Field} key=${part.name} type=${type} field=${{ ...part, required: false }}
      value=${value?.[part.name]} onChange=${set(part.name)} />`)}</div>
    ${wrong ? html`<p class="wrong" role="alert">${wrong}</p>` : null}</fieldset>`;
}

function Labelled(props) {
  const { field, wrong } = props;
  const id = `field-${field.name}`;
  return html`<div class="field"><label for=${id}>${labelOf(field)}${field.required || /^(who|when|what_for)$/.test(field.name) ? "" : field.fallback === null || field.fallback.length === 0 ? html`<span class="faint"> (optional)</span>` : ""}</label>
    <${Control} ...${props} id=${id} />
    ${wrong ? html`<p class="wrong" id=${`${id}-wrong`} role="alert">${wrong}</p>` : null}
    ${field.hint ? html`<p class="hint">${plain(field.hint)}</p>` : null}</div>`;
}

function Control({ field, value, onChange, wrong, id, type }) {
  const common = { id, class: "input", required: field.required, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": wrong ? `${id}-wrong` : undefined };
  const set = (event) => onChange(event.target.value === "" ? null : event.target.value);
  switch (field.kind) {
    case "text": return html`<textarea ...${common} maxlength=${field.longest} rows=${field.required ? 5 : 2} value=${value ?? ""} onInput=${set}
      placeholder=${PLACEHOLDERS[field.name] ?? ""}></textarea>`;
    case "choice": return html`<select ...${common} value=${value ?? field.fallback} onChange=${set}>${field.options.map((option) => html`<option key=${option}>${option}</option>`)}</select>`;
    case "model": return html`<${ModelChoice} common=${common} type=${type} value=${value} onChange=${onChange} />`;
    case "lora": return html`<${TwinChoice} common=${common} value=${value} set=${set} />`;
    case "seed": case "number": return html`<${NumberInput} field=${field} common=${common} value=${value} onChange=${onChange} />`;
    case "date": return html`<input ...${common} type="date" value=${value ?? ""} onInput=${set} />`;
    case "json": return html`<textarea ...${common} class="input code" value=${value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 1)} onInput=${set}
      placeholder=${PLACEHOLDERS[field.name] ?? ""}></textarea>`;
    default: return html`<input ...${common} maxlength=${field.longest} pattern=${field.pattern?.replace(/^\^|\$$/g, "")} value=${value ?? field.fallback ?? ""} onInput=${set}
      placeholder=${PLACEHOLDERS[field.name] ?? ""} />`;
  }
}

const PLACEHOLDERS = {
  clips: '[{"url": "https://…/a.mp4", "start": 0, "end": 4}], or a whole film: {"clips": […], "captions": […]}',
  prompt: "A slow dolly along a harbour at dawn, gulls over wet stone, soft fog", text: "What is to be spoken.",
  negative_prompt: "What should not be seen", name: "ada", who: "Ada Lovelace", what_for: "Pictures of her in films of this studio",
};
function plain(hint) {
  const text = hint.replaceAll("`", "").replace(/GET \/models says what\./, "Models says what.");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function NumberInput({ field, common, value, onChange }) {
  const set = (event) => onChange(event.target.value === "" ? null : Number(event.target.value));
  const dice = () => onChange(Math.floor(Math.random() * 2 ** 32));
  const input = html`<input ...${common} type="number" inputmode="decimal" min=${field.least} max=${field.most} step=${field.whole ? 1 : "any"}
    value=${value ?? field.fallback ?? ""} placeholder=${field.kind === "seed" ? "another each time" : field.fallback === null ? "the model's own" : ""} onInput=${set} />`;
  if (field.name in SLIDES) return html`<div class="slide">${input}<input type="range" aria-label=${`${spelled(field.name)}, roughly`} tabindex="-1" min=${SLIDES[field.name][0]} max=${SLIDES[field.name][1]}
    step=${SLIDES[field.name][2]} value=${value ?? field.fallback} onInput=${set} /></div>`;
  return field.kind === "seed" ? html`<div class="row nowrap">${input}<button type="button" class="button" onClick=${dice}><${Icon} name="retry" />Roll</button></div>` : input;
}

function ModelChoice({ common, type, value, onChange }) {
  const { data: models } = useAsked("/models");
  const able = (models ?? []).filter((model) => model.job_types.includes(type));
  const usual = able.find((model) => model.default_for.includes(type));
  return html`<select ...${common} value=${value ?? ""} onChange=${(event) => onChange(event.target.value || null)}>
    <option value="">${usual ? `${usual.title} (default)` : "The default"}</option>
    ${able.filter((model) => model !== usual).map((model) => html`<option key=${model.id} value=${model.id}>${model.title}</option>`)}</select>`;
}

function TwinChoice({ common, value, set }) {
  const { data: twins } = useAsked("/twins");
  return html`<input ...${common} list="twins" value=${value ?? ""} placeholder="the name of a twin" onInput=${set} />
    <datalist id="twins">${(twins ?? []).map((twin) => html`<option key=${twin.name}>${twin.name}</option>`)}</datalist>`;
}
