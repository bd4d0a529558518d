// A page whose modules are fetched when somebody goes there: most visits are to look at jobs.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { ApiError } from "../api.js";
import { Trouble } from "./page.js";

const here = new Map();

/** `load` imports the module; its page is the one thing that it calls `default`. */
export function later(name, load) {
  return function Later(props) {
    const [, redraw] = useState(0);
    const [error, setError] = useState(null);
    const fetchIt = () => load().then((module) => { here.set(name, module.default); redraw(1); },
      () => setError(new ApiError(0, { detail: "This page could not be fetched. Load the console again." })));
    useEffect(() => { if (!here.has(name)) fetchIt(); }, []);
    const Page = here.get(name);
    return Page ? html`<${Page} ...${props} />` : html`<div class="page"><${Trouble} error=${error} again=${() => location.reload()} /></div>`;
  };
}
