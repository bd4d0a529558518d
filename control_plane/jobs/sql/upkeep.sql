-- name: prune_events
-- The oldest come first by id, so that a look at what is too young costs nothing.
DELETE FROM events WHERE id IN (
    SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT :limit) WHERE at < :before);

-- name: prune_deliveries
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM (SELECT id, status, updated_at FROM deliveries ORDER BY id LIMIT :limit)
    WHERE status <> 'PENDING' AND updated_at < :before);

-- name: due_sweeps
SELECT job_id FROM sweeps WHERE finished_at < :before ORDER BY finished_at LIMIT :limit;

-- name: sweep_done
DELETE FROM sweeps WHERE job_id = :job_id;

-- name: finished_before
-- Oldest first, keyset by (finished_at, id).
SELECT * FROM jobs WHERE finished_at IS NOT NULL AND (finished_at, id) > (:finished_at, :id) AND finished_at < :before
ORDER BY finished_at, id LIMIT :limit;
