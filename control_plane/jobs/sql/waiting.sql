-- name: explain_waiting
-- Those who wait at one endpoint are told why, once for each change of the reason. Where they wait for one another the
-- first ten are told their place: were all of them, every start would be an event of every other job.
UPDATE jobs SET stage = :stage, stage_message = told.message, updated_at = :now, version = version + 1
FROM (
    SELECT job_id, :message || CASE WHEN :stage <> 'waiting_for_worker' THEN ''
                                    WHEN ahead = 0 THEN '; next in line'
                                    WHEN ahead = 1 THEN '; 1 job ahead'
                                    WHEN ahead < 10 THEN '; ' || ahead || ' jobs ahead'
                                    ELSE '; 10 jobs or more ahead' END || :usual AS message
    FROM (SELECT job_id, row_number() OVER (ORDER BY sent_at, job_id) - 1 AS ahead FROM attempts
          WHERE state <> 'ENDED' AND state = 'SUBMITTED' AND endpoint = :endpoint)
) AS told
WHERE id = told.job_id AND status = 'QUEUED' AND cancel_requested_at IS NULL
  AND (stage, stage_message) IS NOT (:stage, told.message);

-- name: explain_turns
-- The same for the first ten of those that have waited a second for a place at an endpoint.
UPDATE jobs SET stage_message = told.message, updated_at = :now, version = version + 1
FROM (
    SELECT job_id, 'Waiting for its turn; ' || CASE ahead WHEN 0 THEN 'next in line' WHEN 1 THEN '1 job ahead'
                                                          ELSE ahead || ' jobs ahead' END AS message
    FROM (SELECT id AS job_id, row_number() OVER (ORDER BY priority DESC, id) - 1 AS ahead FROM (
              SELECT id, priority FROM jobs WHERE ready_at <= :now - 1000 AND stage = 'queued'
              ORDER BY priority DESC, id LIMIT 10))
) AS told
WHERE id = told.job_id AND stage_message <> told.message;

-- name: note_waiting
-- The first trouble an attempt was told of is what its wait is remembered as.
UPDATE attempts SET waited_as = :stage
WHERE state <> 'ENDED' AND state = 'SUBMITTED' AND endpoint = :endpoint AND waited_as IS NULL;

-- name: recent_waits
-- For how long the latest attempts waited at an endpoint, in milliseconds, newest first.
SELECT waited_ms FROM waits WHERE endpoint = :endpoint AND stage = :stage ORDER BY id DESC LIMIT :limit;

-- name: line
-- Who waits to be started, first to last: those at an endpoint, then those that may be sent to one.
SELECT * FROM (
    SELECT job_id, endpoint, NULL AS type FROM attempts
    WHERE state <> 'ENDED' AND state <> 'STARTED' ORDER BY sent_at, job_id LIMIT :limit)
UNION ALL
SELECT * FROM (
    SELECT id, NULL, type FROM jobs WHERE ready_at <= :now ORDER BY priority DESC, id LIMIT :limit);
