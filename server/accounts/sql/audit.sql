-- name: last
SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1

-- name: append
INSERT INTO audit (seq, at, kind, actor, actor_name, address, subject, detail, previous, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: page
SELECT seq, at, kind, actor, actor_name, address, subject, detail, previous, hash
FROM audit
WHERE seq > $1
ORDER BY seq
LIMIT $2

-- name: latest
SELECT seq, at, kind, actor, actor_name, address, subject, detail
FROM audit
WHERE $2::bigint IS NULL OR seq < $2
ORDER BY seq DESC
LIMIT $1
