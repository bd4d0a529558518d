// What must compile, and what must not: tsc looks at this file, nobody runs it.
import { type Job, type JobDetail, type ParamsOf, RushesClient } from "@rushes/client";

const client = new RushesClient({ baseUrl: "http://127.0.0.1:8000" });

export async function everyType(): Promise<Job[]> {
  return Promise.all([
    client.createJob("RENDER", { prompt: "A fjord at dawn", duration: 4, resolution: "720p" }),
    client.createJob("IMG2VID", { image_url: "storage://uploads/1/fjord.png", motion: "zoom_in" }),
    client.createJob("TTS", { text: "Good morning." }, { labels: { scene: "12a" }, maxCostUsd: 0.05 }),
    client.createJob("LIPSYNC", {
      video_url: "storage://uploads/1/face.mp4",
      audio_url: "storage://uploads/2/voice.wav",
    }),
    client.createJob("EXPORT", { clips: [{ url: "storage://uploads/1/a.mp4", start: 1, end: 3 }] }),
    client.stitchTimeline(
      { clips: [{ url: "storage://uploads/1/a.mp4" }] },
      { webhookUrl: "https://example.com" },
    ),
  ]);
}

export function refused(detail: JobDetail): void {
  // @ts-expect-error there is no such type
  client.createJob("DANCE", {});
  // @ts-expect-error a field that the type lacks
  client.createJob("TTS", { text: "Good morning.", prompt: "A fjord" });
  // @ts-expect-error a field of another type of job
  client.createJob("RENDER", { text: "Good morning." });
  // @ts-expect-error a misspelt field
  client.createJob("RENDER", { prompt: "A fjord", durration: 4 });
  // @ts-expect-error a value that is not among those there are
  client.createJob("RENDER", { prompt: "A fjord", resolution: "4k" });
  // @ts-expect-error a value of the wrong kind
  client.createJob("TTS", { text: 12 });
  // @ts-expect-error a field is missing
  client.createJob("TTS", {});
  // @ts-expect-error a wrong field deep in a timeline
  client.stitchTimeline({ clips: [{ url: "storage://uploads/1/a.mp4", begin: 1 }] });
  // @ts-expect-error options are not the API's own names
  client.createJob("TTS", { text: "Good morning." }, { max_cost_usd: 1 });
  // @ts-expect-error a cost is told, not set
  client.estimate("TTS", { text: "Good morning.", cost_usd: 1 });
  // @ts-expect-error there is no such status
  client.listJobs({ status: "DONE" });
  // @ts-expect-error what the server told is a string
  detail.created_at.getTime();
  // @ts-expect-error params of one type do not stand for another's
  const params: ParamsOf["TTS"] = { prompt: "A fjord" } satisfies ParamsOf["RENDER"];
  client.createJob("TTS", params);
}
