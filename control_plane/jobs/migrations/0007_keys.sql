-- Keys that others than the owner call with. What is kept is a digest: a key is shown once, when it is made.
-- Its secret has 256 random bits, so that a plain SHA-256 is as good as a slow hash.

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,                                         -- the public part of the key
    name         TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    scopes       TEXT NOT NULL CHECK (json_valid(scopes)),
    per_minute   INTEGER NOT NULL CHECK (per_minute > 0),                  -- requests
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,                                                  -- some seconds late
    revoked_at   INTEGER
) STRICT;
