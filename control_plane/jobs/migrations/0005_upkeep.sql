-- What is to be tidied up long after a job has finished.

CREATE INDEX jobs_finished ON jobs (finished_at, id) WHERE finished_at IS NOT NULL;

-- Jobs whose leftovers in the stores have not been removed yet. A row outlives its job: the claims of a deleted job must
-- stay until no worker can start it any more.
CREATE TABLE sweeps (
    job_id      TEXT PRIMARY KEY,
    finished_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sweeps_by_time ON sweeps (finished_at);

INSERT INTO sweeps SELECT id, finished_at FROM jobs WHERE finished_at IS NOT NULL AND attempts > 0;

CREATE TRIGGER job_finished_is_swept AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.attempts > 0 BEGIN
    INSERT INTO sweeps (job_id, finished_at) VALUES (NEW.id, NEW.finished_at);
END;
