-- What attempts may cost and what they did cost. Money is in micro-dollars, prices in nano-dollars a second.
-- The table keeps its own books: triggers settle and add up in the transaction of the change, so no verb can forget
-- to, and nothing is counted twice. Rows outlive their job: deleting a job gives no money back.

ALTER TABLE jobs ADD COLUMN max_cost INTEGER;                          -- over all its attempts; NULL: no cap of its own

CREATE TABLE ledger (
    job_id    TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    type      TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    day       TEXT NOT NULL,                                           -- UTC; what the reservation becomes stays on it
    price     INTEGER NOT NULL CHECK (price >= 0),
    gpu       TEXT,                                                    -- what the worker said it ran on
    worker_ms INTEGER,                                                 -- how long the worker says, or its claim says, it ran
    state     TEXT NOT NULL CHECK (state IN ('RESERVED', 'PROVISIONAL', 'FINAL')),
    reserved  INTEGER NOT NULL CHECK (reserved >= 0),
    spent     INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    PRIMARY KEY (job_id, attempt),
    CHECK (state = 'RESERVED' OR reserved = 0),
    CHECK (state <> 'RESERVED' OR spent = 0)
) STRICT, WITHOUT ROWID;

-- PROVISIONAL: the attempt has ended, and the endpoint has yet to say what some submission took.
CREATE INDEX ledger_provisional ON ledger (job_id, attempt) WHERE state = 'PROVISIONAL';
CREATE INDEX jobs_held ON jobs (priority DESC, id) WHERE stage = 'held_by_budget';

CREATE TABLE spending (
    day      TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    type     TEXT NOT NULL,
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    spent    INTEGER NOT NULL CHECK (spent >= 0),
    PRIMARY KEY (day, endpoint, type)
) STRICT, WITHOUT ROWID;

-- Seconds known for good, and since when the clock still runs (`open_since`, for `most` seconds at most). Each submission
-- counts by what the endpoint measured, begun seconds whole. Where it has not measured the holder of the claim: what the
-- worker told, else from its claim to its end.
CREATE VIEW attempt_seconds AS
SELECT job_id, attempt, measured
           + CASE WHEN holder_measured THEN 0
                  WHEN worker_ms IS NOT NULL THEN (worker_ms + 999) / 1000
                  ELSE coalesce(min((max(ended_at - started_at, 0) + 999) / 1000, most), 0) END AS seconds,
       CASE WHEN ended_at IS NULL AND worker_ms IS NULL AND NOT holder_measured THEN started_at END AS open_since,
       most, ended_at, still_open
FROM (
    SELECT a.job_id, a.number AS attempt, a.started_at, a.ended_at, l.worker_ms,
           max(a.run, 1) * CAST(a.deadline_seconds + 0.999 AS INTEGER) AS most,
           (SELECT coalesce(sum((s.execution_ms + 999) / 1000), 0) FROM submissions s
             WHERE s.job_id = a.job_id AND s.attempt = a.number) AS measured,
           EXISTS (SELECT 1 FROM submissions s WHERE s.job_id = a.job_id AND s.attempt = a.number
                      AND s.runpod_id = coalesce(a.holder, s.runpod_id) AND s.execution_ms > 0) AS holder_measured,
           EXISTS (SELECT 1 FROM submissions s WHERE s.job_id = a.job_id AND s.attempt = a.number
                      AND s.status IN ('IN_QUEUE', 'IN_PROGRESS')) AS still_open
    FROM attempts a JOIN ledger l ON l.job_id = a.job_id AND l.attempt = a.number
);

CREATE VIEW settlements AS
SELECT l.job_id, l.attempt, (l.price * t.seconds + 999) / 1000 AS spent,
       CASE WHEN t.still_open AND l.price > 0 THEN 'PROVISIONAL' ELSE 'FINAL' END AS state
FROM ledger l JOIN attempt_seconds t ON t.job_id = l.job_id AND t.attempt = l.attempt
WHERE t.ended_at IS NOT NULL;

CREATE TRIGGER attempt_settled AFTER UPDATE OF state ON attempts WHEN NEW.state = 'ENDED' BEGIN
    UPDATE ledger SET (reserved, spent, state) = (
        SELECT 0, s.spent, s.state FROM settlements s WHERE s.job_id = NEW.job_id AND s.attempt = NEW.number)
    WHERE job_id = NEW.job_id AND attempt = NEW.number;
END;

-- Late knowledge corrects what was settled.
CREATE TRIGGER submission_learnt AFTER UPDATE OF status, execution_ms ON submissions BEGIN
    UPDATE ledger SET (spent, state) = (
        SELECT s.spent, s.state FROM settlements s WHERE s.job_id = NEW.job_id AND s.attempt = NEW.attempt)
    WHERE job_id = NEW.job_id AND attempt = NEW.attempt AND state <> 'RESERVED';
END;

CREATE TRIGGER submission_late AFTER INSERT ON submissions BEGIN
    UPDATE ledger SET state = 'PROVISIONAL'
    WHERE job_id = NEW.job_id AND attempt = NEW.attempt AND state = 'FINAL' AND price > 0;
END;

-- A living attempt that is deleted was withdrawn: it never was. An ended one goes with its job, and stays paid for.
CREATE TRIGGER attempt_deleted AFTER DELETE ON attempts BEGIN
    DELETE FROM ledger WHERE job_id = OLD.job_id AND attempt = OLD.number AND OLD.state <> 'ENDED';
    UPDATE ledger SET state = 'FINAL' WHERE job_id = OLD.job_id AND attempt = OLD.number;
END;

CREATE TRIGGER ledger_opened AFTER INSERT ON ledger BEGIN
    INSERT INTO spending (day, endpoint, type, reserved, spent)
    VALUES (NEW.day, NEW.endpoint, NEW.type, NEW.reserved, NEW.spent)
    ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved, spent = spent + excluded.spent;
END;

CREATE TRIGGER ledger_changed AFTER UPDATE OF reserved, spent ON ledger BEGIN
    UPDATE spending SET reserved = reserved + NEW.reserved - OLD.reserved, spent = spent + NEW.spent - OLD.spent
    WHERE day = NEW.day AND endpoint = NEW.endpoint AND type = NEW.type;
END;

CREATE TRIGGER ledger_withdrawn AFTER DELETE ON ledger BEGIN
    UPDATE spending SET reserved = reserved - OLD.reserved, spent = spent - OLD.spent
    WHERE day = OLD.day AND endpoint = OLD.endpoint AND type = OLD.type;
END;
