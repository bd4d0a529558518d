-- name: reserve
-- Put the worst case aside, in the transaction that takes the job.
INSERT INTO ledger (job_id, attempt, type, endpoint, day, price, state, reserved)
SELECT id, :number, type, :endpoint, date(:now / 1000, 'unixepoch'), :price, 'RESERVED', :reserve FROM jobs WHERE id = :job_id;

-- name: note_usage
-- What a worker told of itself counts from the end on: it is noted before.
UPDATE ledger SET gpu = coalesce(:gpu, gpu), price = coalesce(:price, price), worker_ms = coalesce(:worker_ms, worker_ms)
WHERE job_id = :job_id AND attempt = :number AND state = 'RESERVED'
  AND EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = :job_id AND a.number = :number AND a.token = :token);

-- name: hold_job
-- A new reason is an event; figures that move in the same reason are one at most every ten minutes.
UPDATE jobs SET stage = 'held_by_budget', stage_message = :message, updated_at = :now, version = version + 1
WHERE id = :job_id AND ready_at IS NOT NULL
  AND (stage <> 'held_by_budget' OR (stage_message <> :message AND updated_at <= :now - 600000));

-- name: put_off_job
UPDATE jobs SET ready_at = :ready_at WHERE id = :job_id AND ready_at IS NOT NULL;

-- name: offer_held_jobs
-- Money has become free: those held are looked at again, the most urgent first.
UPDATE jobs SET ready_at = :now
WHERE id IN (SELECT id FROM jobs WHERE stage = 'held_by_budget' AND ready_at > :now ORDER BY priority DESC, id LIMIT :limit);

-- name: any_held
SELECT EXISTS (SELECT 1 FROM jobs WHERE stage = 'held_by_budget') AS held;

-- name: count_held
SELECT count(*) AS held FROM jobs WHERE stage = 'held_by_budget';

-- name: waiting_job_failed
UPDATE jobs SET status = 'FAILED', finished_at = :now, stage = 'failed', stage_message = :error, error = :error,
                error_code = :error_code, ready_at = NULL, updated_at = :now, version = version + 1
WHERE id = :job_id AND status = 'QUEUED' AND ready_at IS NOT NULL;

-- name: budget_used
-- Spent and reserved: by the job, on this UTC day and in this UTC month.
SELECT (SELECT coalesce(sum(spent), 0) FROM ledger WHERE job_id = :job_id) AS job,
       coalesce(sum(spent + reserved) FILTER (WHERE day = date(:now / 1000, 'unixepoch')), 0) AS day,
       coalesce(sum(spent + reserved), 0) AS month
FROM spending
WHERE day BETWEEN date(:now / 1000, 'unixepoch', 'start of month') AND date(:now / 1000, 'unixepoch', 'start of month', '+1 month', '-1 day');

-- name: spending
-- By day, endpoint and job type, from one UTC day to another.
SELECT day, endpoint, type, reserved, spent FROM spending WHERE day BETWEEN :first AND :last ORDER BY day, endpoint, type;

-- name: freshness
-- The few numbers that change what a client sees of a job.
SELECT version, status, (SELECT coalesce(sum(spent), 0) FROM ledger WHERE job_id = jobs.id) AS settled,
       EXISTS (SELECT 1 FROM ledger WHERE job_id = jobs.id AND state = 'PROVISIONAL') AS is_provisional,
       EXISTS (SELECT 1 FROM ledger WHERE job_id = jobs.id AND price > 0) AS is_priced
FROM jobs WHERE id = :id;

-- name: settled_cost
SELECT coalesce(sum(spent), 0) AS spent FROM ledger WHERE job_id IN (SELECT value FROM json_each(:ids));

-- name: costs_of_jobs
-- What each job has cost up to now, living attempts included.
SELECT l.job_id, sum(CASE WHEN l.state <> 'RESERVED' THEN l.spent ELSE (
           SELECT (l.price * (t.seconds + coalesce(min((max(:now - t.open_since, 0) + 999) / 1000, t.most), 0)) + 999) / 1000
             FROM attempt_seconds t WHERE t.job_id = l.job_id AND t.attempt = l.attempt) END) AS cost
FROM ledger l WHERE l.job_id IN (SELECT value FROM json_each(:ids))
GROUP BY l.job_id;

-- name: attempt_bills
-- Every attempt of a job with what it took and cost up to now.
SELECT a.number, a.state, a.outcome, a.endpoint, a.prepared_at, a.started_at, a.ended_at, l.gpu, l.price,
       l.state = 'FINAL' AS is_final,
       t.seconds + coalesce(min((max(:now - t.open_since, 0) + 999) / 1000, t.most), 0) AS seconds,
       (SELECT json_group_array(s.runpod_id) FROM submissions s WHERE s.job_id = a.job_id AND s.attempt = a.number) AS runpod_ids
FROM attempts a
JOIN ledger l ON l.job_id = a.job_id AND l.attempt = a.number
JOIN attempt_seconds t ON t.job_id = a.job_id AND t.attempt = a.number
WHERE a.job_id = :job_id ORDER BY a.number;

-- name: recent_seconds
-- How long the newest successful attempts of a type took at an endpoint, where it is known.
SELECT t.seconds FROM jobs j
JOIN attempts a ON a.job_id = j.id AND a.number = j.attempts
JOIN attempt_seconds t ON t.job_id = a.job_id AND t.attempt = a.number
WHERE j.type = :type AND j.status = 'SUCCEEDED' AND a.endpoint = :endpoint AND t.seconds > 0
ORDER BY j.id DESC LIMIT :limit;

-- name: unmeasured
-- Submissions of ended attempts that nobody has seen over yet: the endpoint still knows what they took.
SELECT s.job_id, s.attempt, s.runpod_id, a.token, a.endpoint, a.ended_at
FROM ledger l
JOIN attempts a ON a.job_id = l.job_id AND a.number = l.attempt
JOIN submissions s ON s.job_id = l.job_id AND s.attempt = l.attempt
WHERE l.state = 'PROVISIONAL' AND s.status IN ('IN_QUEUE', 'IN_PROGRESS')
  AND a.ended_at > :since
ORDER BY a.ended_at LIMIT :limit;
