-- Whose output a job takes as its input (`job:<id>` in its params). It waits until all of them have succeeded, and none
-- of them may be deleted before it has finished. No foreign key on the input: it may go once it is not needed.

CREATE TABLE job_inputs (
    job_id   TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    input_id TEXT NOT NULL,
    PRIMARY KEY (job_id, input_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_inputs_by_input ON job_inputs (input_id);
