// Small frames of a source along its clip.
import { html, useEffect } from "../../vendor/preact-htm.js";
import { Icon } from "../icons.js";
import { desk, setSource } from "./desk.js";

const FRAMES = 10;
const HEIGHT = 96;
const EACH = 68; // pixels on the strip
const asked = new Set();
let line = Promise.resolve(); // one source after the other

export function Filmstrip({ clip, source, width, pps }) {
  useEffect(() => {
    if (source?.kind === "video" && source.play && source.seconds && !asked.has(source.play)) {
      asked.add(source.play);
      line = line.then(() => frames(source, (thumbs) => desk.get().sources[source.id] && setSource(source.id, { thumbs }))).catch(() => {});
    }
  }, [source?.play, source?.seconds]);
  if (source?.kind === "image" && source.play) return html`<span class="frames">${slots(width).map((n) => html`<img key=${n} src=${source.play} alt="" />`)}</span>`;
  if (!source?.thumbs?.length) return html`<span class="frames none"><${Icon} name="film" /></span>`;
  return html`<span class="frames">${slots(width).map((n) => {
    const time = clip.start + (n + 0.5) * EACH / pps * clip.speed;
    const nearest = source.thumbs[Math.max(0, Math.min(source.thumbs.length - 1, Math.floor(time / source.seconds * FRAMES)))];
    return html`<img key=${n} src=${nearest} alt="" />`;
  })}</span>`;
}

const slots = (width) => Array.from({ length: Math.min(40, Math.ceil(width / EACH)) }, (_, n) => n);

async function frames(source, show) {
  const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", playsInline: true });
  const next = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true });
    video.addEventListener("error", fail, { once: true });
  });
  const ready = next("loadeddata");
  video.src = source.play;
  await ready;
  const canvas = document.createElement("canvas");
  canvas.height = HEIGHT;
  canvas.width = Math.round(HEIGHT * video.videoWidth / video.videoHeight) || HEIGHT;
  const found = [];
  for (let n = 0; n < FRAMES; n += 1) {
    const there = next("seeked");
    video.currentTime = source.seconds * (n + 0.5) / FRAMES;
    await there;
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    found.push(URL.createObjectURL(await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.7))));
    if (n % 3 === 0 || n === FRAMES - 1) show([...found]);
  }
  video.removeAttribute("src");
  video.load();
}
