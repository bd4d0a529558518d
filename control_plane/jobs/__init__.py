"""The job table: one SQLite file, one writer, one guarded statement for each verb."""
