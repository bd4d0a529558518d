"""From the job table to the endpoint and back: the dispatcher sends, a follower watches each attempt to its end."""
