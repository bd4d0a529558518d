// Line icons on a grid of 20.
import { html } from "../vendor/preact-htm.js";

const PATHS = {
  jobs: "M3 5h14M3 10h14M3 15h9",
  timeline: "M2.5 6.5h6v3h-6zM10.5 6.5h7v3h-7zM2.5 12.5h10v3h-10zM13 2.5v15",
  gallery: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  money: "M10 2.5v15M13.5 5.5h-5a2.25 2.25 0 0 0 0 4.5h3a2.25 2.25 0 0 1 0 4.5H6",
  endpoint: "M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01",
  models: "M10 2.5l7 4-7 4-7-4zM3 10l7 4 7-4M3 13.5l7 4 7-4",
  twin: "M7.5 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 17a5 5 0 0 1 10 0M13 3.3a3 3 0 0 1 0 5.4M14.5 12.4a5 5 0 0 1 3 4.6",
  plus: "M10 4v12M4 10h12",
  film: "M3 4h14v12H3zM6.5 4v12M13.5 4v12M3 8h3.5M3 12h3.5M13.5 8H17M13.5 12H17",
  spark: "M10 2.5l1.8 5.7 5.7 1.8-5.7 1.8L10 17.5l-1.8-5.7L2.5 10l5.7-1.8z",
  image: "M3 4h14v12H3zM3 13l4-4 4 4 2-2 4 4M13 7.5h.01",
  voice: "M10 2.5a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0V5A2.5 2.5 0 0 1 10 2.5zM5 9.5a5 5 0 0 0 10 0M10 14.5v3",
  mouth: "M2.5 10c3-4.5 5-4.5 7.500-3 2.500-1.500 4.500-1.500 7.500 3-3 5.500-12 5.500-15 0zM2.500 10c5 1 10 1 15 0",
  search: "M9 15a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM13.500 13.500l4 4",
  right: "M8 5l5 5-5 5",
  left: "M12 5l-5 5 5 5",
  check: "M4 10.500l4 4 8-9",
  cross: "M5 5l10 10M15 5L5 15",
  stop: "M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM5 5l10 10",
  warn: "M10 2.500l8 14.500H2zM10 8v4M10 14.500h.01",
  clock: "M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 5.500V10l3 2",
  download: "M10 3v10M6 9.500l4 4 4-4M3.500 17h13",
  copy: "M7 7h9v10H7zM4 13V3h9",
  retry: "M16 10a6 6 0 1 1-2-4.500L16 7M16 3v4h-4",
  edit: "M4 16l1-4 8.500-8.500 3 3L8 15z",
  trash: "M4 6h12M8 6V3.500h4V6M5.500 6l.8 11h7.400l.8-11",
  play: "M6 4l10 6-10 6z",
  pause: "M6.500 4v12M13.500 4v12",
  upload: "M10 14V4M6 7.500l4-4 4 4M3.500 17h13",
  cut: "M5.500 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM14.500 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM6.500 12.300L14 3M13.500 12.300L6 3",
  music: "M7 15V5l9-2v10M7 15a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM16 13a2 2 0 1 1-4 0 2 2 0 0 1 4 0z",
  words: "M3 4h14v9H9l-4 3.500V13H3zM6.500 7.500h7M6.500 10h4",
  undo: "M4 8h8a4.500 4.500 0 0 1 0 9H8M4 8l4-4M4 8l4 4",
  sound: "M3 8v4h3l4 3.500v-11L6 8zM13 7.500a4 4 0 0 1 0 5",
  mute: "M3 8v4h3l4 3.500v-11L6 8zM13 8l4 4M17 8l-4 4",
  frame: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  key: "M7 14a4 4 0 1 1 3.500-6H18v4h-2.500v2H13v-2h-2.500A4 4 0 0 1 7 14zM7 10h.01",
  file: "M5 2.500h7l3.500 3.500v11.500H5zM12 2.500V6h3.500",
};

export function Icon({ name, label }) {
  return html`<svg class="icon" viewBox="0 0 20 20" role=${label ? "img" : undefined} aria-label=${label}
    aria-hidden=${label ? undefined : "true"}><path d=${PATHS[name]} /></svg>`;
}

export const Mark = () => html`<svg viewBox="0 0 32 32" aria-hidden="true">
  <rect x="4" y="7" width="24" height="4" rx="2" fill="var(--accent)" />
  <rect x="4" y="14" width="16" height="4" rx="2" fill="currentColor" />
  <rect x="4" y="21" width="20" height="4" rx="2" fill="currentColor" opacity=".45" /></svg>`;
