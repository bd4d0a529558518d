import { RushesClient } from "@rushes/client";
import { RushesProvider, useJob, useJobs, useRushes } from "@rushes/client/react";
import { StrictMode, useState, version } from "react";
import { createRoot } from "react-dom/client";

/** What was ever drawn, for tests to look through. */
export interface Drawn {
  asked: string | undefined;
  shown: string | undefined;
  status: string | undefined;
  error: string | undefined;
}

declare global {
  interface Window {
    drawn: Drawn[];
  }
}

window.drawn = [];
const baseUrl = new URLSearchParams(location.search).get("server") ?? "";
const client = new RushesClient({ baseUrl });

function Watched({ id }: { id: string | undefined }) {
  const { job, error, isLoading, cancel } = useJob(id);
  window.drawn.push({ asked: id, shown: job?.job_id, status: job?.status, error: error?.code });
  return (
    <section aria-label="Watched" aria-busy={isLoading}>
      <output>{job?.status}</output>
      <progress max={100} value={job?.progress ?? 0} />
      {error && <p role="alert">{`${error.code}: ${error.message}`}</p>}
      <button type="button" onClick={cancel}>
        Cancel
      </button>
    </section>
  );
}

function Newest() {
  const { jobs, error, isLoading } = useJobs({ limit: 10 });
  if (isLoading) return <p>Loading</p>;
  return (
    <ul aria-label="Newest">
      {error && <li role="alert">{error.message}</li>}
      {jobs?.map((job) => (
        <li key={job.job_id}>{`${job.job_id} ${job.status}`}</li>
      ))}
    </ul>
  );
}

function Upload() {
  const rushes = useRushes();
  const [said, setSaid] = useState<string[]>([]);
  const say = (words: string) => setSaid((before) => [...before, words]);
  const upload = async (file: File | undefined) => {
    if (file)
      say(`at ${await rushes.uploadFile(file, { onProgress: (sent, bytes) => say(`${sent / bytes}`) })}`);
  };
  return (
    <label>
      File <input type="file" onChange={(event) => upload(event.target.files?.[0])} />
      <span id="said">{said.join("\n")}</span>
    </label>
  );
}

function Page() {
  const [asked, setAsked] = useState("");
  const [isListing, setIsListing] = useState(true);
  const [first, ...others] = asked.split(" ").filter(Boolean);
  return (
    <>
      <h1>React {version}</h1>
      <input aria-label="Job ids" value={asked} onChange={(event) => setAsked(event.target.value)} />
      <Watched id={first} />
      {others.map((id, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same component is to get another id
        <Watched key={place} id={id} />
      ))}
      <label>
        <input type="checkbox" checked={isListing} onChange={() => setIsListing(!isListing)} /> List
      </label>
      {isListing && <Newest />}
      <Upload />
    </>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <RushesProvider client={client}>
        <Page />
      </RushesProvider>
    </StrictMode>,
  );
}
