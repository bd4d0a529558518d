// Short words at the foot of the page, read out too.
import { html } from "../vendor/preact-htm.js";
import { createStore, useStore } from "./store.js";

const SHOWN_MS = 6000;
const notices = createStore([]);
let number = 0;

export function say(text) {
  const id = (number += 1);
  notices.set([...notices.get().filter((one) => one.text !== text), { id, text }]);
  setTimeout(() => notices.set(notices.get().filter((one) => one.id !== id)), SHOWN_MS);
}

export function Notices() {
  const now = useStore(notices);
  return html`<div class="toasts" role="status">
    ${now.map(({ id, text }) => html`<p key=${id} class="toast">${text}</p>`)}
  </div>`;
}
