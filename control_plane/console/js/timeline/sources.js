// Files, jobs and addresses as sources of clips: measured, uploaded, and playable here.
import { ApiError, get, reachable } from "../api.js";
import { say } from "../notices.js";
import { kindOf, measure, upload } from "../upload.js";
import { titleOf } from "../words.js";
import { clipOf, fresh, withClips } from "./film.js";
import { choose, edit, setSource } from "./desk.js";
import { keepFile } from "./draft.js";

const AT_ONCE = 2;
const HELD_HERE = 300_000_000; // bytes
const waiting = [];
let running = 0;

/** Puts clips of these files into the film before `index`; the music where a file is a recording. */
export async function addFiles(files, index) {
  const sources = [];
  for (const file of files) {
    const kind = kindOf(file);
    if (!["video", "image", "audio"].includes(kind)) say(`${file.name} is no video, picture or recording.`);
    else sources.push(await fromFile(file, kind));
  }
  addClips(sources.filter((source) => source.kind !== "audio"), index);
  const music = sources.find((source) => source.kind === "audio");
  if (music) setMusic(music);
}

export async function fromFile(file, kind = kindOf(file)) {
  const play = URL.createObjectURL(file);
  const seen = await measure(play, kind);
  const source = { id: fresh(), name: file.name, ...seen, play, url: null, share: 0, error: seen.unplayable ? "This browser cannot play it; the film can still be made." : null };
  setSource(source.id, source);
  keepFile(source.id, file);
  queue(source.id, file);
  return source;
}

export function addClips(sources, index) {
  if (!sources.length) return;
  const clips = sources.map(clipOf);
  edit((film) => withClips(film, clips, index));
  choose(clips[0].id);
}

export function setMusic(source) {
  edit((film) => ({ ...film, music: { volume: 0.3, duck: true, fade_in: 0.5, fade_out: 1.5, ...film.music, source: source.id } }));
}

/** The main output of a finished job. */
export function fromJob(job) {
  const output = job.outputs[0];
  const source = { id: fresh(), name: titleOf(job), kind: output.kind, seconds: output.duration_seconds ?? null, width: output.width,
    height: output.height, play: reachable(output.url), url: `job:${job.job_id}`, share: 1, error: null };
  setSource(source.id, source);
  bringHere(source, output.bytes);
  return source;
}

/** Fetched whole where that is cheap: it seeks at once, and holds no connection while it is shown. */
async function bringHere(source, bytes) {
  if (!source.play.startsWith("/") || bytes > HELD_HERE) return;
  const answer = await fetch(source.play).catch(() => null);
  if (answer?.ok) setSource(source.id, { play: URL.createObjectURL(await answer.blob()) });
}

/** A link to a job's output that works now, for a source whose own has grown old. */
export async function again(source) {
  if (!/^job:/.test(source.url ?? "")) return;
  const job = await get(`/jobs/${source.url.slice(4)}`).catch(() => null);
  if (job?.outputs.length) setSource(source.id, { play: reachable(job.outputs[0].url) });
}

/** An address of any of the four forms. What cannot be played here is still taken: the worker reads it. */
export async function fromAddress(url) {
  if (/^job:/.test(url)) {
    const job = await get(`/jobs/${url.slice(4)}`);
    if (job.outputs.length) return fromJob(job);
    throw new ApiError(409, { detail: "That job has no output yet" });
  }
  const kind = /\.(jpe?g|png|webp|gif)(\?|$)/i.test(url) ? "image" : /\.(mp3|wav|m4a|aac|ogg|flac)(\?|$)/i.test(url) ? "audio" : "video";
  const source = { id: fresh(), name: url.split("/").pop() || url, kind, seconds: null, play: null, url, share: 1, error: "It cannot be seen here; the film can still be made." };
  setSource(source.id, source);
  return source;
}

/** Two at a time: more would only slow one another. */
export function queue(id, file) {
  waiting.push([id, file]);
  next();
}

async function next() {
  if (running >= AT_ONCE || !waiting.length) return;
  const [id, file] = waiting.shift();
  running += 1;
  try {
    setSource(id, { url: await upload(file, (share) => setSource(id, { share })), share: 1 });
  } catch (error) {
    setSource(id, { error: error.message, failed: () => { setSource(id, { error: null, failed: null, share: 0 }); queue(id, file); } });
  }
  running -= 1;
  next();
}

/** How many of the film's own sources are still on their way. */
export function onTheirWay({ film, sources }) {
  const used = new Set([...film.clips.map((clip) => clip.source), film.music?.source].filter(Boolean));
  return [...used].filter((id) => !sources[id]?.url).length;
}
