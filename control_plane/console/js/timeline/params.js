// The film as the params of an EXPORT job, and back.
import { get } from "../api.js";
import { EMPTY, fresh, lay, lengthOf, STILL_SECONDS } from "./film.js";
import { fromAddress, fromJob } from "./sources.js";

const to3 = (value) => Math.round(value * 1000) / 1000;
const down3 = (value) => Math.floor(value * 1000) / 1000;

/** Params without addresses that are not there yet: `ready` false leaves placeholders, for an estimate alone. */
export function toParams(film, sources) {
  const { clips, captions, music, output, style, captionStyle, extra } = film;
  const end = lengthOf(film);
  const inside = captions.filter((caption) => caption.text.trim() && caption.start < end);
  return {
    ...extra,
    clips: lay(film).map(({ clip, overlap }) => clipParams(clip, overlap, sources[clip.source])),
    ...(inside.length ? { captions: inside.map(({ id: _, ...caption }) => ({ ...caption, start: to3(caption.start), end: down3(Math.min(caption.end, end)) })), caption_style: captionStyle } : {}),
    ...(music ? { music: musicParams(music, sources[music.source]) } : {}),
    ...(style !== "none" ? { style } : {}),
    output, ...(film.name || extra.metadata ? { metadata: { ...extra.metadata, ...(film.name ? { title: film.name } : {}) } } : {}),
  };
}

const addressOf = (source) => source?.url ?? "storage://uploads/on-its-way";

function clipParams({ extra, start, end, speed, volume, mute, fit, motion, transition }, overlap, source) {
  const still = source?.kind === "image";
  return {
    ...extra, url: addressOf(source), ...(still ? { duration: to3(end - start) } : { start: to3(start), end: to3(end) }),
    ...(speed !== 1 ? { speed } : {}), ...(volume !== 1 ? { volume } : {}), ...(mute ? { mute } : {}), ...(fit ? { fit } : {}),
    ...(motion ? { motion } : {}), ...(transition && overlap ? { transition: { ...transition, duration: down3(overlap) } } : {}),
  };
}

const musicParams = ({ source: _, ...music }, source) => ({ ...music, url: addressOf(source) });

/** The film of an EXPORT job, for another cut of it. Parts that the desk does not show are kept as they are. */
export async function fromParams(params, name) {
  const known = new Map();
  for (const url of new Set([...params.clips.map((clip) => clip.url), params.music?.url].filter(Boolean))) known.set(url, await sourceOf(url));
  const clips = params.clips.map((clip) => {
    const { url, start, end, duration, speed, volume, mute, fit, motion, transition, ...extra } = withoutNulls(clip);
    const source = known.get(url);
    const until = end ?? (duration ? (start ?? 0) + duration : source.seconds ?? STILL_SECONDS);
    if (duration && end === undefined && !source.seconds) source.kind = /\.(mp4|mov|webm|mkv)$/i.test(url) ? "video" : source.kind;
    return { id: fresh(), source: source.id, start: start ?? 0, end: until, speed: speed ?? 1, volume: volume ?? 1, mute: mute ?? false,
      fit: fit ?? null, motion: motion ?? null, transition: transition ?? null, extra };
  });
  const { clips: _c, captions = [], caption_style, music, style, output, metadata, tracks: _t, version: _v, ...extra } = withoutNulls(params);
  return {
    ...EMPTY, name: name ?? metadata?.title ?? "", clips, captions: captions.map((caption) => ({ ...withoutNulls(caption), id: fresh() })),
    captionStyle: caption_style ?? "plain", music: music ? { ...withoutNulls({ ...music, url: undefined }), source: known.get(music.url).id } : null,
    style: style ?? "none", output: { ...EMPTY.output, ...withoutNulls(output ?? {}), profile: "full" }, extra: { ...extra, ...(metadata ? { metadata } : {}) },
  };
}

const withoutNulls = (value) => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null && one !== undefined && !(Array.isArray(one) && !one.length)));

async function sourceOf(url) {
  const job = /^storage:\/\/jobs\/([0-9a-f-]{36})\//.exec(url)?.[1] ?? /^job:(.+)$/.exec(url)?.[1];
  try {
    return job ? { ...fromJob(await get(`/jobs/${job}`)), url } : await fromAddress(url);
  } catch { return fromAddress(url.replace(/^job:/, "storage://jobs/")); }
}

