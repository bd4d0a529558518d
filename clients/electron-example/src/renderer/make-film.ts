import type { Job, RushesClient } from "@rushes/client";

const STILL_SECONDS = 3;

export const SHAPES = { "16:9": "Wide", "9:16": "Phone", "1:1": "Square" } as const;
export type Shape = keyof typeof SHAPES;

interface MakeOptions {
  shape: Shape;
  signal: AbortSignal;
  /** From 0 to 1, of all files together. */
  onProgress: (share: number) => void;
}

/** Uploads the files one after the other, and submits the film that shows them in their order. */
export async function makeFilm(
  rushes: RushesClient,
  files: File[],
  { shape, signal, onProgress }: MakeOptions,
): Promise<Job> {
  const all = files.reduce((sum, { size }) => sum + size, 0);
  const clips = [];
  let before = 0;
  for (const file of files) {
    const sentOf = (sent: number) => onProgress((before + sent) / all);
    const url = await rushes.uploadFile(file, { signal, onProgress: sentOf });
    clips.push(file.type.startsWith("image/") ? { url, duration: STILL_SECONDS } : { url });
    before += file.size;
  }
  return rushes.stitchTimeline({ clips, output: { aspect_ratio: shape, fit: "blur" } }, { signal });
}
