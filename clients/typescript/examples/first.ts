import { RushesClient } from "@rushes/client";

const client = new RushesClient({ baseUrl: "http://127.0.0.1:8000", apiKey: process.env.RUSHES_API_KEY });

const job = await client.createJob("TTS", { text: "Good morning." });
for await (const now of client.watchJob(job.job_id)) {
  console.log(now.status, now.progress, now.stage_message);
}
const done = await client.getJob(job.job_id);
console.log(done.output_urls);
