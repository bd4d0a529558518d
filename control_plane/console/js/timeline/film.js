// The film that is being cut: clips in order, words, music, output. Plain values; every change makes a new film.
let number = 0;
export const fresh = () => `${Date.now().toString(36)}-${(number += 1)}`;

export const STILL_SECONDS = 4;
export const SHORTEST = 0.1;
export const EMPTY = {
  name: "", clips: [], captions: [], captionStyle: "plain", music: null, style: "none", extra: {},
  output: { aspect_ratio: "16:9", resolution: "720p", fps: 30, quality: "standard", format: "mp4", captions: "burned" },
};

/** A clip of a whole source. `start` and `end` are seconds in the source; a still ends when it has been shown enough. */
export const clipOf = (source) => ({
  id: fresh(), source: source.id, start: 0, end: source.kind === "image" ? STILL_SECONDS : source.seconds ?? STILL_SECONDS,
  speed: 1, volume: 1, mute: false, fit: null, motion: source.kind === "image" ? "zoom_in" : null, transition: null, extra: {},
});

export const shown = (clip) => (clip.end - clip.start) / clip.speed;

/** Where every clip lies: `{clip, at, end, overlap}` in seconds of the film; `overlap` is shared with the next one. */
export function lay(film) {
  let at = 0;
  return film.clips.map((clip, n) => {
    const next = film.clips[n + 1];
    const wanted = clip.transition && next ? clip.transition.duration : 0;
    const overlap = next ? Math.min(wanted, shown(clip) / 2, shown(next) / 2) : 0;
    const spot = { clip, at, end: at + shown(clip), overlap };
    at = spot.end - overlap;
    return spot;
  });
}

export const lengthOf = (film) => lay(film).at(-1)?.end ?? 0;

export const withClip = (film, id, change) => ({ ...film, clips: film.clips.map((clip) => (clip.id === id ? { ...clip, ...change } : clip)) });

export function withClips(film, clips, index = film.clips.length) {
  return { ...film, clips: [...film.clips.slice(0, index), ...clips, ...film.clips.slice(index)] };
}

export const withoutClip = (film, id) => ({ ...film, clips: film.clips.filter((clip) => clip.id !== id) });

export function moved(film, id, index) {
  const from = film.clips.findIndex((clip) => clip.id === id);
  const rest = film.clips.filter((clip) => clip.id !== id);
  const to = Math.max(0, Math.min(rest.length, index));
  return from === to ? film : { ...film, clips: [...rest.slice(0, to), film.clips[from], ...rest.slice(to)] };
}

/** The clip under the playhead, cut in two there; the same film where there is nothing to cut. */
export function split(film, time) {
  const spot = lay(film).find(({ at, end, overlap }) => time > at + SHORTEST && time < end - overlap - SHORTEST);
  if (!spot) return film;
  const { clip } = spot;
  const cut = clip.start + (time - spot.at) * clip.speed;
  const index = film.clips.indexOf(clip);
  const halves = [{ ...clip, end: cut, transition: null }, { ...clip, id: fresh(), start: cut }];
  return withClips(withoutClip(film, clip.id), halves, index);
}

/** Trims one edge, `value` in seconds of the source, as far as there is something to show. */
export function trimmed(film, id, edge, value, source) {
  const clip = film.clips.find((one) => one.id === id);
  const longest = source?.kind === "image" ? 600 : source?.seconds ?? 86_400;
  const least = SHORTEST * clip.speed;
  const change = edge === "start"
    ? { start: Math.max(0, Math.min(value, clip.end - least)) }
    : { end: Math.min(longest, Math.max(value, clip.start + least)) };
  return withClip(film, id, change);
}

export function withCaption(film, id, change) {
  return { ...film, captions: film.captions.map((caption) => (caption.id === id ? { ...caption, ...change } : caption)) };
}

export function captionAt(film, time) {
  return film.captions.find((caption) => caption.start <= time && time < caption.end);
}
