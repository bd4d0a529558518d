-- Jobs, their attempts, what was sent to endpoints, and the append-only log of what clients may see.
-- Times are milliseconds since the epoch. The CHECKs tie each state to its times: a state that lies cannot be stored.

CREATE TABLE jobs (
    id                  TEXT PRIMARY KEY CHECK (length(id) = 36),          -- UUIDv7: sorts by creation
    type                TEXT NOT NULL,
    params              TEXT NOT NULL CHECK (json_valid(params)),
    labels              TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels)),
    priority            INTEGER NOT NULL DEFAULT 0,
    retry_of            TEXT,
    idempotency_key     TEXT UNIQUE,
    fingerprint         TEXT,                                              -- of the request the key came with
    status              TEXT NOT NULL CHECK (status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    stage               TEXT NOT NULL,
    stage_message       TEXT NOT NULL,
    progress            INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    attempts            INTEGER NOT NULL DEFAULT 0,                        -- the number of the latest attempt
    ready_at            INTEGER,                                           -- when an attempt may be opened; NULL: not waiting
    runpod_job_id       TEXT,
    store               TEXT,                                              -- the name of the store the outputs lie in
    outputs             TEXT CHECK (outputs IS NULL OR json_valid(outputs)),
    engine              TEXT CHECK (engine IS NULL OR json_valid(engine)),
    error               TEXT,
    error_code          TEXT,
    cancel_requested_at INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
    version             INTEGER NOT NULL DEFAULT 1,
    CHECK ((finished_at IS NOT NULL) = (status IN ('SUCCEEDED', 'FAILED', 'CANCELED'))),
    CHECK (status <> 'RUNNING'   OR started_at IS NOT NULL),
    CHECK (status <> 'SUCCEEDED' OR (outputs IS NOT NULL AND store IS NOT NULL AND progress = 100 AND error IS NULL)),
    CHECK (status <> 'FAILED'    OR (error IS NOT NULL AND error_code IS NOT NULL)),
    CHECK (status <> 'CANCELED'  OR cancel_requested_at IS NOT NULL),
    CHECK (ready_at IS NULL OR status = 'QUEUED'),
    CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL))
) STRICT;

CREATE INDEX jobs_ready     ON jobs (priority DESC, id) WHERE ready_at IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_type   ON jobs (type, id);

CREATE TABLE attempts (
    job_id           TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number           INTEGER NOT NULL CHECK (number >= 1),
    token            TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL CHECK (state IN ('PREPARED', 'SUBMITTED', 'UNKNOWN', 'STARTED', 'ENDED')),
    endpoint         TEXT NOT NULL,                                        -- the URL it was sent to, kept for ever
    store            TEXT NOT NULL,                                        -- the store its claim and result lie in
    deadline_seconds REAL NOT NULL,
    start_before     INTEGER NOT NULL,
    prepared_at      INTEGER NOT NULL,
    sent_at          INTEGER,                                              -- when the latest POST /run was made
    started_at       INTEGER,
    ended_at         INTEGER,
    holder           TEXT,                                                 -- the RunPod id that holds the claim
    lease_expires_at INTEGER,
    run              INTEGER NOT NULL DEFAULT 0,
    seq              INTEGER NOT NULL DEFAULT 0,
    heard_at         INTEGER,                                              -- the latest callback
    outcome          TEXT,                                                 -- SUCCEEDED, CANCELED or an error code
    PRIMARY KEY (job_id, number),
    CHECK ((state = 'ENDED') = (ended_at IS NOT NULL)),
    CHECK ((state = 'ENDED') = (outcome IS NOT NULL)),
    CHECK (state <> 'STARTED' OR (holder IS NOT NULL AND started_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- At most one attempt of a job is alive, whatever the code believes.
CREATE UNIQUE INDEX attempts_alive ON attempts (job_id) WHERE state <> 'ENDED';

CREATE TABLE submissions (
    job_id       TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    runpod_id    TEXT NOT NULL,
    submitted_at INTEGER NOT NULL,
    status       TEXT NOT NULL DEFAULT 'IN_QUEUE',                         -- the endpoint's word, or GONE
    worker_id    TEXT,
    delay_ms     INTEGER,
    execution_ms INTEGER,
    PRIMARY KEY (job_id, attempt, runpod_id),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    at     INTEGER NOT NULL,
    type   TEXT NOT NULL CHECK (type IN ('status', 'progress', 'deleted')),
    data   TEXT NOT NULL CHECK (json_valid(data))
) STRICT;

CREATE INDEX events_by_job ON events (job_id, id);

-- Events are written by the table itself, in the transaction of the change: none can be forgotten or invented.
CREATE TRIGGER job_created AFTER INSERT ON jobs BEGIN
    INSERT INTO events (job_id, at, type, data) VALUES (NEW.id, NEW.updated_at, 'status', json_object(
        'job_id', NEW.id, 'type', NEW.type, 'status', NEW.status, 'progress', NEW.progress, 'stage', NEW.stage,
        'stage_message', NEW.stage_message, 'error', NEW.error, 'error_code', NEW.error_code, 'version', NEW.version));
END;

CREATE TRIGGER job_changed AFTER UPDATE OF version ON jobs BEGIN
    INSERT INTO events (job_id, at, type, data) VALUES (
        NEW.id, NEW.updated_at, CASE WHEN NEW.status = OLD.status THEN 'progress' ELSE 'status' END, json_object(
        'job_id', NEW.id, 'type', NEW.type, 'status', NEW.status, 'progress', NEW.progress, 'stage', NEW.stage,
        'stage_message', NEW.stage_message, 'error', NEW.error, 'error_code', NEW.error_code, 'version', NEW.version));
END;

-- Finished jobs never change, whoever asks.
CREATE TRIGGER job_finished_is_final BEFORE UPDATE ON jobs WHEN OLD.finished_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a finished job never changes');
END;

CREATE TRIGGER job_deleted AFTER DELETE ON jobs BEGIN
    INSERT INTO events (job_id, at, type, data)
    VALUES (OLD.id, OLD.updated_at, 'deleted', json_object('job_id', OLD.id, 'type', OLD.type, 'status', OLD.status));
END;
