"""The GPU endpoint: RunPod, or the built-in local one. Nothing outside this room knows which."""
