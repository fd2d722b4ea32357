-- name: list_users
SELECT id, login, display_name, role, skills, languages, extension, active, password_hash
FROM users
ORDER BY login

-- name: user_by_id
SELECT id, login, display_name, role, skills, languages, extension, active, password_hash
FROM users
WHERE id = $1
FOR UPDATE

-- name: user_by_login
SELECT id, login, display_name, role, skills, languages, extension, active, password_hash
FROM users
WHERE login = $1

-- name: user_by_subject
SELECT id, login, display_name, role, skills, languages, extension, active, password_hash
FROM users
WHERE oidc_subject = $1
FOR UPDATE

-- name: add_user
INSERT INTO users
    (id, login, display_name, role, skills, languages, extension, ha1, active, password_hash,
     oidc_subject, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: change_user
UPDATE users
SET display_name = $2, role = $3, skills = $4, languages = $5, extension = $6,
    ha1 = CASE WHEN $6::text IS NULL THEN NULL ELSE coalesce($7, ha1) END,
    active = $8
WHERE id = $1

-- name: set_password
UPDATE users SET password_hash = $2 WHERE id = $1

-- name: phones
SELECT id, extension, ha1
FROM users
WHERE extension IS NOT NULL AND active AND role IN ('agent', 'supervisor')
  AND ($1::text IS NULL OR extension = $1)
ORDER BY extension

-- name: open_session
INSERT INTO sessions (token_hash, user_id, address, created_at, used_at)
VALUES ($1, $2, $3, $4, $4)

-- name: session_user
SELECT users.id, login, display_name, role, skills, languages, extension, active, password_hash,
    sessions.used_at
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE token_hash = $1 AND sessions.used_at > $2 AND sessions.created_at > $3 AND users.active

-- name: session_used
UPDATE sessions SET used_at = $2 WHERE token_hash = $1

-- name: end_session
DELETE FROM sessions USING users
WHERE token_hash = $1 AND users.id = sessions.user_id
RETURNING users.id, login, display_name, role, skills, languages, extension, active

-- name: end_sessions_of
DELETE FROM sessions WHERE user_id = $1

-- name: forget_sessions
DELETE FROM sessions WHERE used_at <= $1 OR created_at <= $2

-- name: count_attempt
-- No row comes back while the subject rests.
INSERT INTO sign_in_attempts AS attempts (subject, failures, last_at, blocked_until)
VALUES ($1, 1, $2, $2)
ON CONFLICT (subject) DO UPDATE
SET failures = CASE WHEN attempts.last_at < $3 THEN 1 ELSE attempts.failures + 1 END,
    last_at = excluded.last_at
WHERE attempts.blocked_until <= excluded.last_at
RETURNING failures

-- name: rest
UPDATE sign_in_attempts SET blocked_until = $2 WHERE subject = $1

-- name: rests_until
SELECT blocked_until FROM sign_in_attempts WHERE subject = $1

-- name: give_back_attempt
UPDATE sign_in_attempts
SET failures = greatest(failures - 1, 0), blocked_until = $2
WHERE subject = $1

-- name: forget_attempts_of
DELETE FROM sign_in_attempts WHERE subject = $1

-- name: forget_attempts
DELETE FROM sign_in_attempts WHERE last_at < $1

-- name: begin_flow
INSERT INTO oidc_flows (browser_hash, state, nonce, verifier, started_at)
VALUES ($1, $2, $3, $4, $5)

-- name: take_flow
DELETE FROM oidc_flows WHERE browser_hash = $1 RETURNING state, nonce, verifier, started_at

-- name: forget_flows
DELETE FROM oidc_flows WHERE started_at < $1
