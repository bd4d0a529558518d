-- name: insert_job
-- A new job, ready at once (`:now`) or waiting for its inputs (NULL). The UNIQUE idempotency key makes a repeated request fail here.
INSERT INTO jobs (id, type, params, labels, priority, retry_of, idempotency_key, fingerprint, webhook_url, max_cost,
                  status, stage, stage_message, ready_at, created_at, updated_at)
VALUES (:id, :type, :params, :labels, :priority, :retry_of, :idempotency_key, :fingerprint, :webhook_url, :max_cost,
        'QUEUED', :stage, :stage_message, :ready_at, :now, :now)
RETURNING *;

-- name: job_by_id
SELECT * FROM jobs WHERE id = :id;

-- name: jobs_by_ids
SELECT * FROM jobs WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id DESC;

-- name: job_by_idempotency_key
SELECT * FROM jobs WHERE idempotency_key = :key;

-- name: list_jobs
-- Newest first, keyset by id. `:cursor` is the last id of the page before, or NULL.
SELECT * FROM jobs WHERE (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit;

-- name: list_jobs_by_status
SELECT * FROM jobs WHERE status = :status AND (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit;

-- name: list_jobs_by_type
SELECT * FROM jobs WHERE type = :type AND (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit;

-- name: list_jobs_by_status_and_type
SELECT * FROM jobs WHERE status = :status AND type = :type AND (:cursor IS NULL OR id < :cursor)
ORDER BY id DESC LIMIT :limit;

-- name: ready_jobs
-- Who may open an attempt now: highest priority first, then oldest.
SELECT * FROM jobs WHERE ready_at <= :now ORDER BY priority DESC, id LIMIT :limit;

-- name: next_ready_at
SELECT min(ready_at) AS ready_at FROM jobs WHERE ready_at IS NOT NULL;

-- name: claim_job
-- The dispatcher takes a waiting job: from here on its attempt decides.
UPDATE jobs SET attempts = attempts + 1, ready_at = NULL, stage = 'dispatching',
                stage_message = 'Being sent to the endpoint', updated_at = :now, version = version + 1
WHERE id = :job_id AND status = 'QUEUED' AND ready_at <= :now AND cancel_requested_at IS NULL
RETURNING attempts;

-- name: job_submitted
UPDATE jobs SET runpod_job_id = :runpod_id, stage = 'waiting_for_worker', stage_message = 'Waiting for a worker',
                updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'QUEUED' AND cancel_requested_at IS NULL;

-- name: job_unanswered
UPDATE jobs SET stage = 'submit_unknown', stage_message = 'The endpoint did not answer; finding out whether it took the job',
                updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'QUEUED' AND cancel_requested_at IS NULL;

-- name: job_put_back
-- Nothing was accepted, so the number is used again.
UPDATE jobs SET attempts = attempts - 1, ready_at = :ready_at, stage = 'queued', stage_message = :message,
                updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'QUEUED' AND cancel_requested_at IS NULL;

-- name: job_started
UPDATE jobs SET status = 'RUNNING', started_at = coalesce(started_at, :now), runpod_job_id = :holder,
                stage = CASE WHEN cancel_requested_at IS NULL THEN 'starting' ELSE stage END,
                stage_message = CASE WHEN cancel_requested_at IS NULL THEN 'A worker has taken the job' ELSE stage_message END,
                updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'QUEUED';

-- name: job_progress
UPDATE jobs SET progress = :progress, stage = :stage, stage_message = :message, updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'RUNNING' AND cancel_requested_at IS NULL
  AND (progress, stage, stage_message) IS NOT (:progress, :stage, :message);

-- name: job_succeeded
UPDATE jobs SET status = 'SUCCEEDED', started_at = coalesce(started_at, :now), finished_at = :now, progress = 100,
                stage = 'done', stage_message = 'Done', outputs = :outputs, engine = :engine, store = :store,
                ready_at = NULL, updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status IN ('QUEUED', 'RUNNING');

-- name: job_failed
UPDATE jobs SET status = 'FAILED', finished_at = :now, stage = 'failed', stage_message = :error, error = :error,
                error_code = :error_code, engine = :engine, ready_at = NULL, updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status IN ('QUEUED', 'RUNNING');

-- name: job_requeued
-- The attempt is over and proven so; another may be opened at `ready_at`.
UPDATE jobs SET status = 'QUEUED', ready_at = :ready_at, progress = 0, stage = 'retrying', stage_message = :message,
                updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status IN ('QUEUED', 'RUNNING') AND cancel_requested_at IS NULL;

-- name: job_canceled
UPDATE jobs SET status = 'CANCELED', finished_at = :now, stage = 'canceled', stage_message = 'Canceled',
                ready_at = NULL, updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status IN ('QUEUED', 'RUNNING') AND cancel_requested_at IS NOT NULL;

-- name: request_cancel
UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, :now), ready_at = NULL, stage = 'canceling',
                stage_message = 'Being stopped', updated_at = :now, version = version + 1
WHERE id = :job_id AND status IN ('QUEUED', 'RUNNING');

-- name: delete_finished
DELETE FROM jobs WHERE id = :job_id AND finished_at IS NOT NULL;

-- name: count_by_status
SELECT status, count(*) AS jobs FROM jobs GROUP BY status;
