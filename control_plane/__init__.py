"""The thin VPS service: keeps the job table and relays each job to an endpoint."""
