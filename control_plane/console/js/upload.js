// A file into the owner's store, by a signed PUT; and what a player knows of it.
import { ApiError, post, reachable } from "./api.js";

const TYPES_BY_ENDING = {
  mp4: "video/mp4", m4v: "video/mp4", mov: "video/quicktime", webm: "video/webm", mkv: "video/x-matroska",
  jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif",
  mp3: "audio/mpeg", wav: "audio/wav", m4a: "audio/mp4", aac: "audio/aac", ogg: "audio/ogg", flac: "audio/flac", weba: "audio/webm",
};

export function mediaType(file) {
  return TYPES_BY_ENDING[file.name.split(".").pop().toLowerCase()] ?? file.type;
}

export const kindOf = (file) => mediaType(file).split("/")[0];

/** The `storage://` address of the file once it is there. `onProgress` is told shares from 0 to 1. Throws ApiError. */
export async function upload(file, onProgress = () => {}, signal) {
  const content_type = mediaType(file);
  const filename = file.name.slice(-200);
  const place = await post("/uploads", { filename, content_type, bytes: file.size }, { signal });
  await put(reachable(place.upload_url), place.headers, file, onProgress, signal);
  return place.url;
}

/** By XMLHttpRequest: fetch does not say how much has been sent. */
function put(url, headers, file, onProgress, signal) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) if (!/^(content-length|host)$/i.test(name)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("load", () => request.status < 300 ? done()
      : fail(new ApiError(request.status, { detail: `The store refused the file (${request.status})` })));
    request.addEventListener("error", () => fail(new ApiError(0, {
      detail: "The store cannot be reached from this page: look at your connection, and whether the bucket's CORS rules allow this address",
    })));
    request.addEventListener("abort", () => fail(new DOMException("stopped", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** `{kind, seconds, width, height}` as this browser's player sees it; null seconds for a still or where it cannot tell. */
export function measure(url, kind) {
  if (kind === "image") return picture(url);
  return new Promise((done) => {
    const element = document.createElement(kind === "audio" ? "audio" : "video");
    const finish = () => {
      const seconds = Number.isFinite(element.duration) ? element.duration : null;
      done({ kind, seconds, width: element.videoWidth || null, height: element.videoHeight || null });
      element.removeAttribute("src");
      element.load();
    };
    element.preload = "metadata";
    element.muted = true;
    element.addEventListener("loadedmetadata", finish, { once: true });
    element.addEventListener("error", () => done({ kind, seconds: null, width: null, height: null, unplayable: true }), { once: true });
    element.src = url;
  });
}

async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode().catch(() => {});
  return { kind: "image", seconds: null, width: image.naturalWidth || null, height: image.naturalHeight || null };
}
