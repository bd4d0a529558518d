-- name: wait_for_store
-- Nothing is sent before the store has answered: those whose turn it is are told so.
UPDATE jobs SET stage = 'waiting_for_store', stage_message = :message, updated_at = :now, version = version + 1
WHERE ready_at <= :now AND (stage, stage_message) IS NOT ('waiting_for_store', :message);

-- name: store_answered
UPDATE jobs SET stage = 'queued', stage_message = 'Waiting for its turn', updated_at = :now, version = version + 1
WHERE ready_at IS NOT NULL AND stage = 'waiting_for_store';

-- name: job_not_sent_again
UPDATE jobs SET stage = 'submit_unknown', stage_message = :message, updated_at = :now, version = version + 1
WHERE id = :job_id AND attempts = :number AND status = 'QUEUED' AND cancel_requested_at IS NULL
  AND (stage, stage_message) IS NOT ('submit_unknown', :message);
