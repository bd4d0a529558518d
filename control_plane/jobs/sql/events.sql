-- name: events_after
SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :limit;

-- name: events_of_job_after
SELECT * FROM events WHERE job_id = :job_id AND id > :after ORDER BY id LIMIT :limit;

-- name: changed_jobs_after
SELECT DISTINCT job_id FROM events WHERE id > :after;

-- name: last_event_id
SELECT coalesce(max(id), 0) AS id FROM events;
