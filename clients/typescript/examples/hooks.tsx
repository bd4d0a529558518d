import { RushesClient } from "@rushes/client";
import { RushesProvider, useJob, useJobs } from "@rushes/client/react";

const client = new RushesClient({ baseUrl: "http://127.0.0.1:8000" });

export function App() {
  return (
    <RushesProvider client={client}>
      <Running />
    </RushesProvider>
  );
}

function Running() {
  const { jobs, error } = useJobs({ status: "RUNNING" });
  if (error) return <p role="alert">{error.message}</p>;
  return jobs?.map(({ job_id }) => <Progress key={job_id} id={job_id} />);
}

function Progress({ id }: { id: string }) {
  const { job, error, isLoading, cancel } = useJob(id);
  if (isLoading) return <p>…</p>;
  return (
    <p>
      {job?.type} <progress value={job?.progress} max={100} /> {job?.stage_message} {error?.message}
      <button type="button" onClick={cancel}>
        Cancel
      </button>
    </p>
  );
}
