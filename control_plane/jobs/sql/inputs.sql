-- name: insert_input
INSERT INTO job_inputs (job_id, input_id) VALUES (:job_id, :input_id);

-- name: needed_by
SELECT i.job_id FROM job_inputs i JOIN jobs j ON j.id = i.job_id
WHERE i.input_id = :job_id AND j.finished_at IS NULL LIMIT 1;

-- name: release_waiting
-- The last of its inputs is there. A job that never had an attempt and is not ready waits for nothing else.
UPDATE jobs SET ready_at = :now, stage = 'queued', stage_message = 'Waiting for its turn',
                updated_at = :now, version = version + 1
WHERE status = 'QUEUED' AND attempts = 0 AND ready_at IS NULL AND cancel_requested_at IS NULL
  AND id IN (SELECT job_id FROM job_inputs WHERE input_id = :job_id)
  AND NOT EXISTS (SELECT 1 FROM job_inputs i JOIN jobs s ON s.id = i.input_id
                  WHERE i.job_id = jobs.id AND s.status <> 'SUCCEEDED');

-- name: fail_waiting
-- An input that was not made is never made later.
UPDATE jobs SET status = 'FAILED', finished_at = :now, stage = 'failed', stage_message = 'A job it needs did not succeed',
                error = 'The job it takes its input from did not succeed: ' || :job_id,
                error_code = 'INPUT_FAILED', ready_at = NULL, updated_at = :now, version = version + 1
WHERE status = 'QUEUED' AND attempts = 0
  AND id IN (SELECT job_id FROM job_inputs WHERE input_id = :job_id)
  AND EXISTS (SELECT 1 FROM jobs s WHERE s.id = :job_id AND s.status IN ('FAILED', 'CANCELED'))
RETURNING id;
