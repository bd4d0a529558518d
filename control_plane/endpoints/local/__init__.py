"""The built-in endpoint: RunPod's serverless HTTP API on a loopback port, with workers in child processes here."""
