// What comes out: frame, size, format, look.
import { html } from "../../vendor/preact-htm.js";
import { useStore } from "../store.js";
import { Choice } from "./controls.js";
import { desk, edit } from "./desk.js";

const same = (...names) => Object.fromEntries(names.map((name) => [name, name]));
const LOOKS = ["none", "cinematic", "warm", "cool", "noir", "vivid", "luxury", "energetic", "minimal", "bold", "vintage", "dreamy", "pastel", "teal_orange"];
const SHAPES = { "16:9": "16:9 wide", "9:16": "9:16 upright", "1:1": "1:1 square", "4:5": "4:5 portrait", "4:3": "4:3", "21:9": "21:9 cinema", "3:4": "3:4", "5:4": "5:4" };

export function OutputPanel() {
  const film = useStore(desk, (now) => now.film);
  const { output } = film;
  const set = (name, number) => (value) => edit((now) => ({ ...now, output: { ...now.output, [name]: number ? Number(value) : value } }));
  return html`
    <fieldset class="field"><legend>Frame</legend><div class="choices shapes">${["16:9", "9:16", "1:1", "4:5"].map((shape) => html`<label key=${shape}>
      <input type="radio" name="shape" checked=${output.aspect_ratio === shape} onChange=${() => set("aspect_ratio")(shape)} /><span>${shape}</span></label>`)}</div></fieldset>
    <div class="two"><${Choice} id="out-shape" label="Every shape" value=${output.aspect_ratio} options=${SHAPES} onChange=${set("aspect_ratio")} />
      <${Choice} id="out-size" label="Short side" value=${output.resolution} options=${same("360p", "480p", "720p", "1080p", "1440p", "2160p")} onChange=${set("resolution")} /></div>
    <div class="two"><${Choice} id="out-fps" label="Frames a second" value=${output.fps} options=${same("24", "25", "30", "50", "60")} onChange=${set("fps", true)} />
      <${Choice} id="out-format" label="Format" value=${output.format} options=${{ mp4: "MP4", webm: "WebM", mov: "MOV, ProRes", gif: "GIF" }} onChange=${set("format")} /></div>
    <div class="two"><${Choice} id="out-quality" label="Quality" value=${output.quality} options=${{ draft: "Draft", standard: "Standard", high: "High", best: "Best" }} onChange=${set("quality")} />
      <${Choice} id="out-captions" label="Captions" value=${output.captions} options=${{ burned: "In the picture", soft: "As a track", both: "Both", none: "None" }} onChange=${set("captions")} /></div>
    <div class="two"><${Choice} id="out-fit" label="Other shapes" value=${output.fit ?? "contain"} options=${{ contain: "Bars", cover: "Edges cut", blur: "Blurred bars" }} onChange=${set("fit")} />
      <${Choice} id="out-look" label="Look" value=${typeof film.style === "string" ? film.style : film.style.style} options=${Object.fromEntries(LOOKS.map((name) => [name, name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " and ")]))}
        onChange=${(style) => edit((now) => ({ ...now, style }))} /></div>
    <p class="tiny faint">The monitor shows looks, moves and transitions nearly as they will be. The true preview shows them as they are.</p>`;
}
