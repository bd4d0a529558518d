import { onAbort } from "./abort";
import { type Outcome, persistently } from "./calls";
import { RushesError } from "./errors";
import type { UploadView } from "./generated";
import type { UploadOptions } from "./types";

/** What browsers and systems do not agree on, or have no name for. */
const TYPE_BY_EXTENSION: Record<string, string> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mkv: "video/x-matroska",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  m4a: "audio/mp4",
  aac: "audio/aac",
  ogg: "audio/ogg",
  flac: "audio/flac",
  weba: "audio/webm",
  srt: "application/x-subrip",
  vtt: "text/vtt",
  ass: "text/x-ssa",
  cube: "application/x-cube",
};

const PIECE_BYTES = 256 * 1024;

type Put = (file: Blob, place: UploadView, options: PutOptions) => Promise<Outcome<unknown>>;

interface PutOptions extends UploadOptions {
  fetch: typeof fetch;
}

/** The type of a file by its name, else as the system names it. */
export function mediaType(name: string, otherwise: string): string {
  return TYPE_BY_EXTENSION[name.split(".").pop()?.toLowerCase() ?? ""] ?? otherwise;
}

/** Puts the file where the server said, again when the connection breaks. */
export async function put(file: Blob, place: UploadView, options: PutOptions): Promise<void> {
  const send: Put = typeof XMLHttpRequest === "undefined" ? putByFetch : putByXhr;
  let tried = 0;
  try {
    await persistently(() => {
      tried += 1;
      return send(file, place, options);
    }, options.signal);
  } catch (error) {
    // A file is taken once: the try before came through, and only its answer was lost.
    const isThere =
      error instanceof RushesError && tried > 1 && (error.status === 409 || error.status === 412);
    if (!isThere) throw error;
  }
}

/** In pages: fetch does not say how much has been sent. */
const putByXhr: Put = (file, place, { onProgress, signal }) => {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const leave = onAbort(signal, () => request.abort());
    request.open(place.method, place.upload_url);
    for (const [name, value] of Object.entries(place.headers)) {
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress?.(event.loaded, file.size);
    request.onload = () =>
      resolve({ response: new Response(null, request), error: asJson(request.responseText) });
    request.onerror = () => resolve({ error: "network" });
    request.onabort = () => reject(signal?.reason);
    request.onloadend = () => leave();
    request.send(file);
  });
};

/** In Node, where a body may be a stream of known length, and in workers without XMLHttpRequest, where it may not. */
const putByFetch: Put = async (file, place, { fetch, onProgress, signal }) => {
  const isNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  const init: RequestInit & { duplex: "half" } = {
    method: place.method,
    headers: { ...place.headers, ...(isNode ? { "Content-Length": String(file.size) } : {}) },
    body: isNode ? counted(file, onProgress) : file,
    duplex: "half",
    signal,
  };
  const response = await fetch(place.upload_url, init);
  const error = asJson(await response.text());
  if (response.ok) onProgress?.(file.size, file.size);
  return { response, error };
};

/** The file in pieces, each counted when it is taken to be sent. */
function counted(file: Blob, onProgress: UploadOptions["onProgress"]): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      const piece = await file.slice(sent, sent + PIECE_BYTES).arrayBuffer();
      controller.enqueue(new Uint8Array(piece));
      sent += piece.byteLength;
      onProgress?.(sent, file.size);
      if (sent >= file.size) controller.close();
    },
  });
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
