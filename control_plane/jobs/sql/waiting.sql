-- name: explain_waiting
-- Those who wait at one endpoint are told why, once for each change of the reason.
UPDATE jobs SET stage = :stage, stage_message = :message, updated_at = :now, version = version + 1
WHERE status = 'QUEUED' AND cancel_requested_at IS NULL
  AND id IN (SELECT job_id FROM attempts WHERE state <> 'ENDED' AND state = 'SUBMITTED' AND endpoint = :endpoint)
  AND (stage, stage_message) IS NOT (:stage, :message);
