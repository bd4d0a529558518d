// What every job has, whatever its type: a name, a limit, a priority.
import { html } from "../../vendor/preact-htm.js";

export function Envelope({ value, onChange }) {
  const set = (name, wanted) => onChange({ ...value, [name]: wanted });
  const number = (event) => (event.target.value === "" ? null : Number(event.target.value));
  return html`
    <div class="field"><label for="job-name">Name <span class="faint">(optional)</span></label>
      <input id="job-name" class="input" maxlength="200" placeholder="to find it again" value=${value.name ?? ""} onInput=${(event) => set("name", event.target.value)} /></div>
    <div class="two">
      <div class="field"><label for="job-most">At most, US$</label>
        <input id="job-most" class="input" type="number" min="0" step="any" inputmode="decimal" placeholder="no limit" value=${value.max_cost_usd ?? ""} onInput=${(event) => set("max_cost_usd", number(event))} /></div>
      <div class="field"><label for="job-priority">Priority</label>
        <input id="job-priority" class="input" type="number" min="-100" max="100" step="1" value=${value.priority ?? 0} onInput=${(event) => set("priority", number(event))} /></div>
    </div>`;
}
