-- name: unfinished_counts
SELECT type, status, stage, count(*) AS jobs, min(created_at) AS oldest FROM jobs
WHERE status IN ('QUEUED', 'RUNNING') GROUP BY type, status, stage;

-- name: finished_since
-- Events are numbered in the order of their commits, and a job finishes once.
SELECT j.type, j.status, j.created_at, j.started_at, j.finished_at,
       (SELECT json_group_array(a.outcome) FROM attempts a WHERE a.job_id = j.id) AS outcomes
FROM events e JOIN jobs j ON j.id = e.job_id
WHERE e.id > :after AND e.id <= :last AND e.type = 'status'
  AND e.data ->> 'status' IN ('SUCCEEDED', 'FAILED', 'CANCELED');

-- name: dead_deliveries
SELECT count(*) AS n FROM deliveries WHERE status = 'DEAD';
