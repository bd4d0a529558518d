// The log of a job's events, from its first to now.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { isOver, onEvents } from "../live.js";
import { read } from "../stream.js";

const LONGEST = 1000;

export function EventLog({ job }) {
  const [events, setEvents] = useState([]);
  const [isOpen] = useState(!isOver(job)); // it does not shut when the job ends under somebody's eyes
  useEffect(() => {
    const stop = new AbortController();
    const known = new Map();
    const add = (event) => {
      known.set(event.id, event);
      setEvents([...known.values()].sort((a, b) => a.id - b.id).slice(-LONGEST));
    };
    const quiet = onEvents((event) => event.data.job_id === job.job_id && add(event));
    history(job, stop, add).catch(() => {});
    return () => { stop.abort(); quiet(); };
  }, [job.job_id]);
  const lines = events.filter((event, n) => n === 0 || words(event) !== words(events[n - 1]));
  return html`<section class="panel" aria-label="Log"><details class="more log" open=${isOpen}>
    <summary><h2>Log</h2><span class="tiny faint num">${lines.length} entries</span></summary>
    <ol tabindex="0" aria-label="Events">${lines.map((event) => html`<li key=${event.id}>
      <span class="faint num">${event.data.progress}%</span><span class="break">${words(event)}</span></li>`)}</ol>
  </details></section>`;
}

/** What was before; from then on the page's one stream tells. A finished job's stream ends by itself. */
async function history(job, stop, add) {
  let last = 0;
  const done = () => stop.abort();
  await read(`/jobs/${job.job_id}/events`, "0", stop.signal, {
    onEvent(event) {
      add(event);
      clearTimeout(last);
      if (!isOver(event.data)) last = setTimeout(done, 1500);
    },
  });
}

const words = ({ data }) => data.error ?? (data.stage_message || data.status);
