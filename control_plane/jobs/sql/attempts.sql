-- name: insert_attempt
-- Durable before POST /run is made: after a crash it is known that something may have been sent.
INSERT INTO attempts (job_id, number, token, state, endpoint, store, deadline_seconds, start_before, prepared_at, sent_at)
VALUES (:job_id, :number, :token, 'PREPARED', :endpoint, :store, :deadline_seconds, :start_before, :now, :now)
RETURNING *;

-- name: alive_attempt
SELECT * FROM attempts WHERE job_id = :job_id AND state <> 'ENDED';

-- name: attempt_by_token
SELECT * FROM attempts WHERE token = :token;

-- name: attempts_of_job
SELECT * FROM attempts WHERE job_id = :job_id ORDER BY number;

-- name: alive_attempts
-- Same condition as the partial index attempts_alive, so that it is used. Keyset by job; a negative limit is none.
SELECT * FROM attempts WHERE state <> 'ENDED' AND job_id > :after ORDER BY job_id LIMIT :limit;

-- name: count_alive
SELECT count(*) AS alive FROM attempts WHERE state <> 'ENDED';

-- name: attempt_submitted
UPDATE attempts SET state = 'SUBMITTED'
WHERE job_id = :job_id AND number = :number AND token = :token AND state IN ('PREPARED', 'UNKNOWN');

-- name: attempt_unknown
UPDATE attempts SET state = 'UNKNOWN'
WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'PREPARED';

-- name: attempt_sent_again
-- The same attempt and token goes out once more; the claim in the bucket keeps a second run from happening.
UPDATE attempts SET sent_at = :now
WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'UNKNOWN';

-- name: attempt_withdrawn
-- The endpoint definitely refused, so no worker can ever hold this token.
DELETE FROM attempts
WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'PREPARED'
  AND NOT EXISTS (SELECT 1 FROM submissions s WHERE s.job_id = attempts.job_id AND s.attempt = attempts.number);

-- name: attempt_started
-- A claim was seen. Renewals and platform re-runs of the same holder pass here too.
UPDATE attempts SET state = 'STARTED', holder = :holder, lease_expires_at = :lease_expires_at,
                    started_at = coalesce(started_at, :now), run = max(run, :run), seq = CASE WHEN :run > run THEN 0 ELSE seq END
WHERE job_id = :job_id AND number = :number AND token = :token AND state <> 'ENDED'
  AND (holder, lease_expires_at, run) IS NOT (:holder, :lease_expires_at, :run);

-- name: attempt_progress
-- Only forward: by (run, seq). Late, repeated and shuffled reports change nothing.
UPDATE attempts SET run = :run, seq = :seq, heard_at = coalesce(:heard_at, heard_at)
WHERE job_id = :job_id AND number = :number AND token = :token AND state = 'STARTED' AND (run, seq) < (:run, :seq);

-- name: attempt_ended
UPDATE attempts SET state = 'ENDED', ended_at = :now, outcome = :outcome
WHERE job_id = :job_id AND number = :number AND token = :token AND state <> 'ENDED';

-- name: restart_prepared
-- At start-up nobody knows whether what was prepared has been sent.
UPDATE attempts SET state = 'UNKNOWN' WHERE state = 'PREPARED';

-- name: insert_submission
INSERT INTO submissions (job_id, attempt, runpod_id, submitted_at) VALUES (:job_id, :number, :runpod_id, :now)
ON CONFLICT DO NOTHING;

-- name: submissions_of_attempt
SELECT * FROM submissions WHERE job_id = :job_id AND attempt = :number ORDER BY submitted_at;

-- name: submissions_of_job
SELECT * FROM submissions WHERE job_id = :job_id ORDER BY attempt, submitted_at;

-- name: submission_seen
UPDATE submissions SET status = :status, worker_id = coalesce(:worker_id, worker_id),
                       delay_ms = coalesce(:delay_ms, delay_ms), execution_ms = coalesce(:execution_ms, execution_ms)
WHERE job_id = :job_id AND attempt = :number AND runpod_id = :runpod_id;
