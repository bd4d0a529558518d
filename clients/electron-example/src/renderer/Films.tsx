import { useJobs } from "@rushes/client/react";
import { STATUS } from "./words";

/** The newest films, live. */
export function Films({ selected, onSelect }: Props) {
  const { jobs, error, isLoading } = useJobs({ type: "EXPORT", limit: 30 });
  return (
    <section className="card" aria-label="Films" aria-busy={isLoading}>
      <h1>Films</h1>
      {isLoading && <p className="faint">Waiting for the server …</p>}
      {error && <p role="alert">{error.message}</p>}
      {jobs?.length === 0 && <p className="faint">None yet.</p>}
      <ul className="films">
        {jobs?.map(({ job_id, created_at, status, progress }) => (
          <li key={job_id}>
            <button type="button" aria-pressed={job_id === selected} onClick={() => onSelect(job_id)}>
              <span>{new Date(created_at).toLocaleString()}</span>
              <span className="faint">{status === "RUNNING" ? `${progress} %` : STATUS[status]}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Props {
  selected: string | undefined;
  onSelect: (jobId: string) => void;
}
