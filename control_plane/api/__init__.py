"""The HTTP API: thin routes, their schemas, problem+json errors, who may call."""
