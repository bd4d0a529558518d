// Plays the film here and now from its sources: one element a clip, shown, hidden and blended by the film's clock.
import { desk, playhead } from "./desk.js";
import { lay, lengthOf } from "./film.js";
import { blend, move } from "./blends.js";

const AHEAD = 2.5; // seconds before its turn that a clip is fetched
const DRIFT = 0.25;

export class Player {
  constructor(layer) {
    this.layer = layer;
    this.elements = new Map();
    this.music = new Audio();
    this.music.loop = true;
    this.quiet = [desk.subscribe(() => this.draw()), playhead.subscribe(() => this.onHead())];
    this.was = playhead.get();
    this.draw();
  }

  close() {
    this.quiet.forEach((stop) => stop());
    cancelAnimationFrame(this.frame);
    this.elements.forEach((_, id) => this.drop(id));
    this.music.pause();
    playhead.set({ ...playhead.get(), playing: false });
  }

  onHead() {
    const now = playhead.get();
    if (now.playing && !this.was.playing) {
      this.last = performance.now();
      this.frame = requestAnimationFrame((at) => this.tick(at));
    }
    const jumped = !now.playing || Math.abs(now.time - this.was.time) > 0.5;
    this.was = now;
    this.draw(jumped);
  }

  tick(at) {
    const { time, playing } = playhead.get();
    if (!playing) return;
    const passed = (at - this.last) / 1000;
    this.last = at;
    const end = lengthOf(desk.get().film);
    const next = this.isStalled(time) ? time : time + Math.min(passed, 0.1);
    playhead.set(next >= end ? { time: end, playing: false } : { time: next, playing: true });
    this.frame = requestAnimationFrame((now) => this.tick(now));
  }

  /** The film's clock waits for a picture that is not there yet. */
  isStalled(time) {
    return this.spotsAt(time).some(({ clip }) => {
      const element = this.elements.get(clip.id);
      return element?.tagName === "VIDEO" && !element.error && element.readyState < 2;
    });
  }

  spotsAt(time) {
    const spots = lay(desk.get().film);
    const found = spots.filter(({ at, end }) => at <= time && time < end);
    return found.length || !spots.length ? found : [spots.at(-1)];
  }

  draw(jumped = true) {
    const { film, sources } = desk.get();
    const { time, playing } = playhead.get();
    const now = this.spotsAt(time);
    const wanted = lay(film).filter(({ at, end }) => at < time + AHEAD && end > time - 0.2 || now.some((spot) => spot.at === at));
    const needed = new Set(wanted.map(({ clip }) => clip.id));
    this.elements.forEach((_, id) => needed.has(id) || this.drop(id));
    for (const spot of wanted) this.place(spot, sources[spot.clip.source], time, playing, jumped, now.some(({ clip }) => clip.id === spot.clip.id), film);
    blend(now, this.elements, time, this.layer);
    this.sound(film, sources, time, playing, jumped);
  }

  place(spot, source, time, playing, jumped, isNow, film) {
    const { clip, at } = spot;
    const element = this.element(clip.id, source);
    if (!element) return;
    element.style.visibility = isNow ? "visible" : "hidden";
    const fit = clip.fit ?? film.output.fit ?? "contain";
    element.style.objectFit = fit === "cover" ? "cover" : "contain";
    move(element, clip, (time - at) / (spot.end - at));
    if (element.tagName !== "VIDEO") return;
    const wanted = clip.start + Math.max(0, Math.min(time, spot.end) - at) * clip.speed;
    element.playbackRate = clip.speed;
    element.muted = clip.mute || !isNow;
    element.volume = Math.min(1, clip.volume);
    if (playing && isNow) {
      if (element.paused) element.play().catch(() => {});
      if (Math.abs(element.currentTime - wanted) > DRIFT * Math.max(1, clip.speed)) element.currentTime = wanted;
    } else {
      element.pause();
      if (jumped || !isNow) if (Math.abs(element.currentTime - wanted) > 0.01) element.currentTime = wanted;
    }
  }

  element(id, source) {
    const known = this.elements.get(id);
    if (known && known.dataset.play === source?.play) return known;
    this.drop(id);
    if (!source?.play) return null;
    const element = document.createElement(source.kind === "image" ? "img" : "video");
    element.dataset.play = source.play;
    if (source.kind === "image") element.alt = "";
    else Object.assign(element, { preload: "auto", playsInline: true });
    element.src = source.play;
    this.layer.append(element);
    this.elements.set(id, element);
    return element;
  }

  drop(id) {
    const element = this.elements.get(id);
    this.elements.delete(id);
    element?.pause?.();
    element?.remove();
  }

  sound({ music }, sources, time, playing, jumped) {
    const play = music && sources[music.source]?.play;
    if (!play || !playing || time < (music.start ?? 0)) return this.music.pause();
    if (this.music.dataset.play !== play) {
      this.music.src = play;
      this.music.dataset.play = play;
    }
    this.music.volume = Math.min(1, music.volume);
    const wanted = (music.source_start ?? 0) + time - (music.start ?? 0);
    if (this.music.paused || jumped) {
      this.music.currentTime = this.music.duration ? wanted % this.music.duration : wanted;
      this.music.play().catch(() => {});
    }
  }
}
