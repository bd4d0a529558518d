-- Who is told that a job has finished, and how the telling goes.

ALTER TABLE jobs ADD COLUMN webhook_url TEXT;

CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,                                          -- the `webhook-id`: the same at every try
    job_id      TEXT NOT NULL UNIQUE REFERENCES jobs (id) ON DELETE CASCADE,
    url         TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'DEAD')),
    tries       INTEGER NOT NULL DEFAULT 0,                                -- since it was made or asked for again
    due_at      INTEGER,                                                   -- when the next try is made; NULL: never
    http_status INTEGER,                                                   -- of the latest answer
    error       TEXT,                                                      -- what was wrong at the latest try
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    CHECK ((due_at IS NOT NULL) = (status = 'PENDING')),
    CHECK (status <> 'DEAD' OR error IS NOT NULL)
) STRICT;

CREATE INDEX deliveries_due       ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_status ON deliveries (status, id);

-- In the transaction that ends the job, whichever verb ends it: a finished job can never be left untold.
CREATE TRIGGER job_finished_is_told AFTER UPDATE OF finished_at ON jobs
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.webhook_url IS NOT NULL BEGIN
    INSERT INTO deliveries (id, job_id, url, due_at, created_at, updated_at)
    VALUES ('msg_' || NEW.id, NEW.id, NEW.webhook_url, NEW.finished_at, NEW.finished_at, NEW.finished_at);
END;
