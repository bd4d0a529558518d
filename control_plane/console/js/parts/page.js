// What every page begins with, and what stands where there is nothing yet.
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";

export function PageHead({ title, about, children }) {
  return html`<header class="page-head">
    <div><h1>${title}</h1>${about ? html`<p>${about}</p>` : null}</div>
    <div class="row">${children}</div>
  </header>`;
}

/** `top` where it is all there is on the page. */
export function Empty({ icon, title, children, action, top = false }) {
  return html`<div class="empty"><${Icon} name=${icon} />${top ? html`<h1>${title}</h1>` : html`<h2>${title}</h2>`}<p>${children}</p>${action}</div>`;
}

export function Trouble({ error, again }) {
  if (!error || error.status === 401) return null;
  return html`<div class="note bad" role="alert"><${Icon} name="warn" />
    <div class="grow">${error.message}</div>
    ${again ? html`<button class="button" onClick=${again}>Try again</button>` : null}
  </div>`;
}
