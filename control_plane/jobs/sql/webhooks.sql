-- name: due_deliveries
SELECT * FROM deliveries WHERE due_at <= :now ORDER BY due_at LIMIT :limit;

-- name: list_deliveries
-- Newest job first, keyset by id. `:cursor` is the last id of the page before, or NULL.
SELECT * FROM deliveries WHERE (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit;

-- name: list_deliveries_by_status
SELECT * FROM deliveries WHERE status = :status AND (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :limit;

-- name: delivery_tried
-- Matches the number of tries, so that an answer from before a resend decides nothing.
UPDATE deliveries SET status = :status, tries = tries + 1, due_at = :due_at, http_status = :http_status, error = :error,
                      updated_at = :now
WHERE id = :id AND tries = :tries AND status = 'PENDING';

-- name: delivery_resent
UPDATE deliveries SET status = 'PENDING', tries = 0, due_at = :now, updated_at = :now WHERE id = :id
RETURNING *;
