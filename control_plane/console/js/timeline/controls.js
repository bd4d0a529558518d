// Small labelled controls of the desk's panels.
import { html } from "../../vendor/preact-htm.js";

export function Choice({ id, label, value, options, onChange }) {
  return html`<div class="field"><label for=${id}>${label}</label><select id=${id} class="input" value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${Object.entries(options).map(([key, name]) => html`<option key=${key} value=${key}>${name}</option>`)}</select></div>`;
}

export function Slide({ id, label, value, least, most, step, words, onChange }) {
  return html`<div class="field"><label for=${id} class="row apart"><span>${label}</span><span class="num faint">${words}</span></label>
    <input id=${id} type="range" min=${least} max=${most} step=${step} value=${value} aria-valuetext=${words} onInput=${(event) => onChange(Number(event.target.value))} /></div>`;
}

export function Amount({ id, label, value, least = 0, most = 86_400, step = 0.1, onChange }) {
  const set = (event) => event.target.value !== "" && onChange(Math.max(least, Math.min(most, Number(event.target.value))));
  return html`<div class="field"><label for=${id}>${label}</label><input id=${id} class="input num" type="number" inputmode="decimal" min=${least} max=${most} step=${step}
    value=${Math.round(value * 1000) / 1000} onChange=${set} /></div>`;
}

export function Toggle({ label, value, onChange }) {
  return html`<label class="switch"><input type="checkbox" role="switch" checked=${value} onChange=${(event) => onChange(event.target.checked)} /><span>${label}</span></label>`;
}
