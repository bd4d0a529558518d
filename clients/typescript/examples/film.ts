import type { Job, RushesClient } from "@rushes/client";

/** Uploads the clips and stitches them into a film. */
export async function film(client: RushesClient, clips: File[], signal?: AbortSignal): Promise<Job> {
  const urls: string[] = [];
  for (const clip of clips) {
    const onProgress = (sent: number, total: number) =>
      console.log(`${clip.name}: ${sent} of ${total} bytes`);
    urls.push(await client.uploadFile(clip, { onProgress, signal }));
  }
  const timeline = {
    clips: urls.map((url) => ({ url, duration: 2 })),
    captions: [{ text: "Dawn", start: 0, end: 2 }],
  };
  const job = await client.stitchTimeline(timeline, { maxCostUsd: 0.5, signal });
  return client.waitForJob(job.job_id, { signal });
}
