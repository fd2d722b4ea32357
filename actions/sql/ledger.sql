-- name: begin
INSERT INTO actions (key, call_id, name, arguments, status)
VALUES ($1, $2, $3, $4, 'pending')
ON CONFLICT (key) DO NOTHING
RETURNING key

-- name: find
SELECT key, call_id, name, arguments, status, result, error, attempts, created_at, updated_at
FROM actions
WHERE key = $1

-- name: finish
UPDATE actions
SET status = $2, result = $3, error = $4, attempts = attempts + $5, updated_at = clock_timestamp()
WHERE key = $1 AND status IN ('pending', 'unknown')
RETURNING key

-- name: unsettled
SELECT key, call_id, name, arguments, status, result, error, attempts, created_at, updated_at
FROM actions
WHERE (status = 'unknown' AND updated_at < clock_timestamp() - make_interval(secs => $1))
   OR (status = 'pending' AND updated_at < clock_timestamp() - make_interval(secs => $2))
ORDER BY updated_at
LIMIT $3

-- name: of_call
SELECT key, call_id, name, arguments, status, result, error, attempts, created_at, updated_at
FROM actions
WHERE call_id = $1
ORDER BY created_at, key

-- name: add_callback
INSERT INTO callbacks (key, call_id, phone, reason, facts)
VALUES ($1, $2, $3, $4, $5)
