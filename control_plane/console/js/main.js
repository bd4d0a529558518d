// Starts the page.
import { html, render } from "../vendor/preact-htm.js";
import { Shell } from "./shell.js";
import { live } from "./live.js";

render(html`<${Shell} />`, document.getElementById("console"));
live.start();
