// Asks for the API key. It stays in this tab's session storage and goes nowhere but to this server.
import { html, useState } from "../vendor/preact-htm.js";
import { useKey } from "./api.js";
import { Icon, Mark } from "./icons.js";

export function Door() {
  const [key, setKey] = useState("");
  const [wrong, setWrong] = useState("");
  async function enter(event) {
    event.preventDefault();
    const answer = await fetch("/jobs?limit=1", { headers: { Authorization: `Bearer ${key.trim()}` } }).catch(() => null);
    if (answer?.ok) useKey(key.trim());
    else setWrong(answer ? answer.status === 401 ? "That key opens nothing here." : "That key may not look at jobs." : "The server cannot be reached.");
  }
  return html`<main class="door"><form onSubmit=${enter}>
    <p class="brand"><${Mark} />Rushes</p>
    <h1>Enter your API key</h1>
    <p class="soft small">The owner's <code>API_KEY</code>, or one made with <code>rushes keys create</code>. It is kept for
      this tab only and forgotten when you close it.</p>
    <div class="field">
      <label for="key">API key</label>
      <input id="key" class="input" type="password" autocomplete="current-password" spellcheck=${false} required autofocus
        value=${key} onInput=${(event) => setKey(event.target.value)} aria-invalid=${wrong ? "true" : undefined}
        aria-describedby=${wrong ? "key-wrong" : undefined} />
      <p class="wrong" id="key-wrong" role="alert">${wrong}</p>
    </div>
    <button class="button main wide"><${Icon} name="key" />Open the console</button>
  </form></main>`;
}
