import { isFinished, type Job } from "@rushes/client";
import { useJob, useRushes } from "@rushes/client/react";
import { useState } from "react";
import { readyBy, STATUS } from "./words";

/** One film, live: how far it is, and in the end the film itself. */
export function Film({ id }: { id: string | undefined }) {
  const { job, error, isLoading, cancel } = useJob(id);
  if (id === undefined)
    return <p className="faint empty">Choose clips, and watch the film being made here.</p>;
  return (
    <section className="card film" aria-label="Film" aria-busy={isLoading}>
      {job && <h1>{STATUS[job.status]}</h1>}
      {error && <p role="alert">{error.message}</p>}
      {job && !isFinished(job) && <Making job={job} onCancel={cancel} />}
      {job?.status === "SUCCEEDED" && <Finished job={job} />}
      {job?.error && <p role="alert">{job.error}</p>}
    </section>
  );
}

function Making({ job, onCancel }: { job: Job; onCancel: () => void }) {
  const isStopping = job.cancel_requested_at !== null;
  return (
    <>
      {job.preview_url && <img src={job.preview_url} alt="A moment of the film so far" />}
      <progress aria-label="Made" max={100} value={job.progress} />
      <div className="row">
        <span className="faint">{[job.stage_message, readyBy(job)].filter(Boolean).join(" · ")}</span>
        <button type="button" disabled={isStopping} onClick={onCancel}>
          {isStopping ? "Stopping …" : "Cancel"}
        </button>
      </div>
    </>
  );
}

function Finished({ job }: { job: Job }) {
  const rushes = useRushes();
  const [said, setSaid] = useState<string>();
  const save = async () => {
    setSaid(undefined);
    try {
      // Links to files are made anew at each reading, as they work for a while only.
      const { output_urls } = await rushes.getJob(job.job_id);
      if (await window.rushes.save(output_urls[0] ?? "")) setSaid("Saved");
    } catch {
      setSaid("The film could not be saved");
    }
  };
  return (
    <>
      {/* biome-ignore lint/a11y/useMediaCaption: captions are drawn into the film */}
      <video src={job.output_urls[0]} controls />
      <div className="row">
        <output>{said}</output>
        <button type="button" className="main" onClick={save}>
          Save as …
        </button>
      </div>
    </>
  );
}
