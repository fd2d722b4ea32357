-- name: call_started
INSERT INTO calls
    (id, network_call_id, caller, callee, transport, started_at, instance, life)
VALUES
    ($1::text::uuid, $2, $3, $4, $5, $6::text::timestamptz, $7::text::uuid, $8::text::uuid)
ON CONFLICT (id) DO NOTHING

-- name: call_answered
UPDATE calls SET answered_at = $2::text::timestamptz WHERE id = $1::text::uuid

-- name: call_ended
UPDATE calls
SET ended_at = $2::text::timestamptz, end_reason = $3, outcome = $4, recording_path = $5
WHERE id = $1::text::uuid

-- name: turn
INSERT INTO turns
    (call_id, index, started_at_s, caller_text, caller_kind, n_best, understanding, actions,
     said, heard, interrupted, times)
VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (call_id, index) DO UPDATE SET
    started_at_s = excluded.started_at_s,
    caller_text = excluded.caller_text,
    caller_kind = excluded.caller_kind,
    n_best = excluded.n_best,
    understanding = excluded.understanding,
    actions = excluded.actions,
    said = excluded.said,
    heard = excluded.heard,
    interrupted = excluded.interrupted,
    times = excluded.times

-- name: end_crashed
-- The last sign of life is the end: the time the server was down was no part of the call.
UPDATE calls
SET end_reason = 'server_crash',
    ended_at = coalesce(answered_at, started_at) + make_interval(secs => coalesce(greatest(
        (SELECT max(turns.started_at_s) FROM turns WHERE turns.call_id = calls.id),
        (SELECT max(overheard.at_s) FROM overheard WHERE overheard.call_id = calls.id)), 0))
WHERE instance = $1 AND life <> $2 AND ended_at IS NULL

-- name: find_call
SELECT id, network_call_id, caller, callee, transport, started_at, answered_at, ended_at,
    end_reason, outcome, recording_path
FROM calls
WHERE id = $1

-- name: turns_of_call
SELECT index, started_at_s, caller_text, caller_kind, n_best, understanding, actions,
    said, heard, interrupted, times
FROM turns
WHERE call_id = $1
ORDER BY index

-- name: list_calls
SELECT id, network_call_id, caller, callee, transport, started_at, answered_at, ended_at,
    end_reason, outcome, recording_path
FROM calls
WHERE $2::uuid IS NULL
   OR (started_at, id) < (SELECT c.started_at, c.id FROM calls AS c WHERE c.id = $2)
ORDER BY started_at DESC, id DESC
LIMIT $1
