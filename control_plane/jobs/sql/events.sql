-- name: events_after
SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :limit;

-- name: events_of_job_after
SELECT * FROM events WHERE job_id = :job_id AND id > :after ORDER BY id LIMIT :limit;

-- name: changed_jobs_after
-- As one row: between any two the reader may have to wait for a thread that writes.
SELECT json_group_array(DISTINCT job_id) AS ids FROM events WHERE id > :after;

-- name: last_event_id
SELECT coalesce(max(id), 0) AS id FROM events;
