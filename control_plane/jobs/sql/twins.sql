-- name: twin_user
-- An unfinished job that wears the twin or is training one of that name.
SELECT id, type FROM jobs
WHERE finished_at IS NULL
  AND (json_extract(params, '$.lora') = :name OR (type = 'TRAIN_TWIN' AND json_extract(params, '$.name') = :name))
LIMIT 1;
