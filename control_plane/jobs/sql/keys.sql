-- name: insert_key
INSERT INTO api_keys (id, name, digest, scopes, per_minute, created_at)
VALUES (:id, :name, :digest, :scopes, :per_minute, :created_at);

-- name: all_keys
SELECT * FROM api_keys ORDER BY created_at, id;

-- name: revoke_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id;

-- name: key_used
UPDATE api_keys SET last_used_at = :last_used_at WHERE id = :id;
