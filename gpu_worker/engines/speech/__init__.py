"""Text to speech: sentences one by one through an engine in a process of its own, joined, levelled and timed."""
