// Several pictures for a job.
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { kindOf, upload } from "../upload.js";
import { spelled } from "../words.js";
import { Elsewhere } from "./media-field.js";

export function MediaListField({ field, value, onChange, wrong }) {
  const addresses = value ?? [];
  const latest = useRef(addresses);
  latest.current = addresses;
  const [files, setFiles] = useState({});
  const [busy, setBusy] = useState(0);
  const [trouble, setTrouble] = useState("");
  const chosen = useRef(null);
  const id = `field-${field.name}`;
  async function take(given) {
    const pictures = [...given].filter((file) => kindOf(file) === "image");
    setTrouble(pictures.length < given.length ? "Some of these were no pictures and were left out." : "");
    setBusy((n) => n + pictures.length);
    for (const file of pictures) {
      try {
        const address = await upload(file);
        setFiles((before) => ({ ...before, [address]: URL.createObjectURL(file) }));
        latest.current = [...latest.current, address];
        onChange(latest.current);
      } catch (error) { setTrouble(`${file.name}: ${error.message}`); }
      setBusy((n) => n - 1);
    }
  }
  return html`<div class="field media-field">
    <label for=${id}>${spelled(field.name)}<span class="faint num"> ${addresses.length} chosen, ${field.fewest} at least</span></label>
    <div class="drop" onDragOver=${(event) => event.preventDefault()} onDrop=${(event) => { event.preventDefault(); take(event.dataTransfer.files); }}>
      <${Icon} name="upload" /><p>${busy ? `Uploading, ${busy} to go` : "Drop pictures here, or"}</p>
      <button type="button" class="button" onClick=${() => chosen.current.click()}>Choose pictures</button>
      <input id=${id} ref=${chosen} class="hidden-text" type="file" tabindex="-1" accept="image/*" multiple onChange=${(event) => take(event.target.files)} />
    </div>
    <${Elsewhere} field=${field} onChange=${(address) => onChange([...addresses, address])} />
    ${addresses.length ? html`<ul class="picture-list">${addresses.map((address) => html`<li key=${address}>
      ${files[address] ? html`<img src=${files[address]} alt="" />` : html`<${Icon} name="image" />`}
      <button type="button" class="button square" aria-label=${`Take ${address.split("/").pop()} away`} onClick=${() => onChange(addresses.filter((one) => one !== address))}><${Icon} name="cross" /></button>
    </li>`)}</ul>` : null}
    ${wrong || trouble ? html`<p class="wrong" role="alert">${wrong ?? trouble}</p>` : null}
  </div>`;
}
