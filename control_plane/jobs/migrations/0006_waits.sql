-- For how long attempts waited at their endpoint, and what they were told meanwhile: where "usually 20 s to 2 min" is from.
-- A table of its own, of a hundred rows for each endpoint and reason: to be asked every few seconds beside a million jobs,
-- and not to be lost with the jobs when they are pruned.

ALTER TABLE attempts ADD COLUMN waited_as TEXT;                            -- NULL: no more than waiting_for_worker

CREATE TABLE waits (
    id        INTEGER PRIMARY KEY,
    endpoint  TEXT NOT NULL,
    stage     TEXT NOT NULL,
    waited_ms INTEGER NOT NULL CHECK (waited_ms >= 0)
) STRICT;

CREATE INDEX waits_by_reason ON waits (endpoint, stage, id);

-- The endpoint's own measure where there is one: ours is late when nobody was here to see the claim. An attempt that no
-- worker started tells nothing about how long it takes to be started.
CREATE TRIGGER attempt_waited AFTER UPDATE OF state ON attempts WHEN NEW.state = 'ENDED' BEGIN
    INSERT INTO waits (endpoint, stage, waited_ms)
    SELECT NEW.endpoint, coalesce(NEW.waited_as, 'waiting_for_worker'), waited_ms
    FROM (SELECT max(coalesce((SELECT s.delay_ms FROM submissions s
                               WHERE s.job_id = NEW.job_id AND s.attempt = NEW.number AND s.delay_ms IS NOT NULL
                                 AND CASE WHEN NEW.holder IS NOT NULL THEN s.runpod_id = NEW.holder
                                          ELSE s.status IN ('IN_PROGRESS', 'COMPLETED', 'FAILED', 'TIMED_OUT') END LIMIT 1),
                              NEW.started_at - NEW.sent_at), 0) AS waited_ms)
    WHERE waited_ms IS NOT NULL;
    DELETE FROM waits
    WHERE endpoint = NEW.endpoint AND stage = coalesce(NEW.waited_as, 'waiting_for_worker')
      AND id <= (SELECT id FROM waits WHERE endpoint = NEW.endpoint AND stage = coalesce(NEW.waited_as, 'waiting_for_worker')
                 ORDER BY id DESC LIMIT 1 OFFSET 100);
END;
