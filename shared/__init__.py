"""What both programs agree on: job types, states, wire messages, errors, the timeline, storage. Imports neither."""
