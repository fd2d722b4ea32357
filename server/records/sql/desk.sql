-- name: handoff_requested
-- Again with the same id: the context as it is known now.
INSERT INTO handoffs
    (id, call_id, requested_at, reason, skill, context, attempts, instance, life)
VALUES
    ($1::text::uuid, $2::text::uuid, $3::text::timestamptz, $4, $5, $6, '[]',
     $7::text::uuid, $8::text::uuid)
ON CONFLICT (id) DO UPDATE SET context = excluded.context

-- name: handoff_progressed
UPDATE handoffs
SET agent = $2, rang_at = $3::text::timestamptz, accepted_at = $4::text::timestamptz,
    attempts = $5
WHERE id = $1::text::uuid

-- name: handoff_ended
UPDATE handoffs
SET agent = $2, rang_at = $3::text::timestamptz, accepted_at = $4::text::timestamptz,
    attempts = $5, ended_at = $6::text::timestamptz, outcome = $7
WHERE id = $1::text::uuid

-- name: presence_changed
INSERT INTO presence (agent, at, state, reason, instance, life)
VALUES ($1, $2::text::timestamptz, $3, $4, $5::text::uuid, $6::text::uuid)
ON CONFLICT (agent, at) DO UPDATE SET state = excluded.state, reason = excluded.reason

-- name: interval_counted
-- Again for the same interval: all that was counted by now.
INSERT INTO queue_intervals
    (instance, life, queue, starts_at, interval_s, offered, answered, answered_in_time, abandoned,
     abandoned_short, redirected, overflowed, given_up, waited_s, longest_wait_s, handled, talk_s,
     held_s, wrap_up_s)
VALUES
    ($1::text::uuid, $2::text::uuid, $3, $4::text::timestamptz, $5, $6, $7, $8, $9, $10, $11, $12,
     $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (instance, life, queue, starts_at, interval_s) DO UPDATE SET
    offered = excluded.offered,
    answered = excluded.answered,
    answered_in_time = excluded.answered_in_time,
    abandoned = excluded.abandoned,
    abandoned_short = excluded.abandoned_short,
    redirected = excluded.redirected,
    overflowed = excluded.overflowed,
    given_up = excluded.given_up,
    waited_s = excluded.waited_s,
    longest_wait_s = excluded.longest_wait_s,
    handled = excluded.handled,
    talk_s = excluded.talk_s,
    held_s = excluded.held_s,
    wrap_up_s = excluded.wrap_up_s

-- name: note_saved
INSERT INTO notes (call_id, agent, text, saved_at)
VALUES ($1::text::uuid, $2, $3, $4::text::timestamptz)
ON CONFLICT (call_id, agent) DO UPDATE SET text = excluded.text, saved_at = excluded.saved_at

-- name: disposition_saved
INSERT INTO dispositions (call_id, agent, code, text, saved_at)
VALUES ($1::text::uuid, $2, $3, $4, $5::text::timestamptz)
ON CONFLICT (call_id, agent) DO UPDATE
SET code = excluded.code, text = excluded.text, saved_at = excluded.saved_at

-- name: callback_promised
INSERT INTO callback_promises (id, call_id, number, skill, place, queued_at, promised_at)
VALUES
    ($1::text::uuid, $2::text::uuid, $3, $4, $5, $6::text::timestamptz, $7::text::timestamptz)
ON CONFLICT (id) DO NOTHING

-- name: callback_settled
UPDATE callback_promises SET settled_at = $2::text::timestamptz, outcome = $3 WHERE id = $1::text::uuid

-- name: overheard
INSERT INTO overheard (call_id, at_s, who, text)
VALUES ($1::text::uuid, $2, $3, $4)
ON CONFLICT (call_id, at_s, who) DO UPDATE SET text = excluded.text

-- name: end_crashed_handoffs
-- The last sign of life is the end, as for calls.
UPDATE handoffs
SET outcome = 'server_crash',
    ended_at = greatest(requested_at, rang_at, accepted_at, (
        SELECT calls.answered_at + make_interval(secs => max(overheard.at_s))
        FROM calls JOIN overheard ON overheard.call_id = calls.id
        WHERE calls.id = handoffs.call_id
        GROUP BY calls.answered_at))
WHERE instance = $1 AND life <> $2 AND ended_at IS NULL

-- name: end_crashed_presence
-- Nobody is at a desk of a server that is down: since the last change it had seen.
INSERT INTO presence (agent, at, state, reason, instance, life)
SELECT latest.agent, ends.at, 'offline', 'server_crash', latest.instance, latest.life
FROM (
    SELECT DISTINCT ON (agent, life) agent, life, instance, state
    FROM presence
    WHERE instance = $1 AND life <> $2
    ORDER BY agent, life, at DESC
) AS latest
JOIN (
    SELECT life, max(at) + interval '1 microsecond' AS at FROM presence
    WHERE instance = $1 AND life <> $2
    GROUP BY life
) AS ends ON ends.life = latest.life
WHERE latest.state <> 'offline'
ON CONFLICT (agent, at) DO NOTHING

-- name: find_handoff
SELECT id, call_id, requested_at, reason, skill, context, agent, rang_at, accepted_at, ended_at,
    outcome, attempts
FROM handoffs
WHERE id = $1

-- name: handoffs_of_call
SELECT id, call_id, requested_at, reason, skill, context, agent, rang_at, accepted_at, ended_at,
    outcome, attempts
FROM handoffs
WHERE call_id = $1
ORDER BY requested_at, id

-- name: list_handoffs
SELECT id, call_id, requested_at, reason, skill, context, agent, rang_at, accepted_at, ended_at,
    outcome, attempts
FROM handoffs
WHERE ($2::uuid IS NULL
       OR (requested_at, id) < (SELECT h.requested_at, h.id FROM handoffs AS h WHERE h.id = $2))
  AND ($3::text IS NULL OR agent = $3)
ORDER BY requested_at DESC, id DESC
LIMIT $1

-- name: notes_of_call
SELECT call_id, agent, text, saved_at FROM notes WHERE call_id = $1 ORDER BY saved_at, agent

-- name: dispositions_of_call
SELECT call_id, agent, code, text, saved_at
FROM dispositions
WHERE call_id = $1
ORDER BY saved_at, agent

-- name: overheard_of_call
SELECT at_s, who, text FROM overheard WHERE call_id = $1 ORDER BY at_s, who

-- name: open_callbacks
SELECT promised.id, call_id, number, skill, place, queued_at, promised_at, settled_at,
    promised.outcome
FROM callback_promises AS promised
WHERE settled_at IS NULL AND EXISTS ( -- whoever promised calls, and nobody else
    SELECT 1 FROM handoffs
    WHERE handoffs.call_id = promised.call_id AND handoffs.instance = $1)
ORDER BY queued_at, promised.id

-- name: caller_history
SELECT calls.id AS call_id, calls.started_at, calls.ended_at, calls.end_reason, calls.outcome,
    coalesce((
        SELECT handoffs.context -> 'summary' FROM handoffs
        WHERE handoffs.call_id = calls.id
        ORDER BY handoffs.requested_at DESC
        LIMIT 1), '[]') AS summary,
    coalesce((
        SELECT jsonb_agg(each ORDER BY turns.index, position)
        FROM turns, jsonb_array_elements_text(turns.actions)
            WITH ORDINALITY AS unnested (each, position)
        WHERE turns.call_id = calls.id), '[]') AS actions,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('code', dispositions.code, 'text', dispositions.text)
                         ORDER BY dispositions.saved_at, dispositions.agent)
        FROM dispositions
        WHERE dispositions.call_id = calls.id), '[]') AS dispositions,
    (SELECT handoffs.agent FROM handoffs
     WHERE handoffs.call_id = calls.id AND handoffs.accepted_at IS NOT NULL
     ORDER BY handoffs.accepted_at DESC
     LIMIT 1) AS agent,
    coalesce((
        SELECT string_agg(notes.text, E'\n' ORDER BY notes.saved_at, notes.agent)
        FROM notes
        WHERE notes.call_id = calls.id AND notes.text <> ''), '') AS note
FROM calls
WHERE calls.caller = $1 AND ($2::uuid IS NULL OR calls.id <> $2)
ORDER BY calls.started_at DESC, calls.id DESC
LIMIT $3

-- name: agent_of_caller
SELECT handoffs.agent
FROM handoffs JOIN calls ON calls.id = handoffs.call_id
WHERE calls.caller = $1 AND calls.started_at >= $2 AND handoffs.accepted_at IS NOT NULL
ORDER BY handoffs.accepted_at DESC
LIMIT 1

-- name: agent_had_call
SELECT EXISTS (
    SELECT 1 FROM handoffs WHERE call_id = $2 AND agent = $1 AND accepted_at IS NOT NULL)
    OR EXISTS (
    -- They had it and transferred it on.
    SELECT 1 FROM handoffs, jsonb_array_elements(attempts) AS attempt
    WHERE call_id = $2 AND attempt ->> 'agent' = $1 AND attempt ->> 'outcome' = 'accepted')

-- name: calls_of_agent
SELECT id, network_call_id, caller, callee, transport, started_at, answered_at, ended_at,
    end_reason, outcome, recording_path
FROM calls
WHERE id IN (
    SELECT call_id FROM handoffs WHERE agent = $3 AND accepted_at IS NOT NULL
    UNION
    SELECT call_id FROM handoffs, jsonb_array_elements(attempts) AS attempt
    WHERE attempt ->> 'agent' = $3 AND attempt ->> 'outcome' = 'accepted')
  AND ($2::uuid IS NULL
       OR (started_at, id) < (SELECT c.started_at, c.id FROM calls AS c WHERE c.id = $2))
ORDER BY started_at DESC, id DESC
LIMIT $1

-- name: agent_statistics
WITH rung AS (
    SELECT attempt ->> 'agent' AS agent, attempt ->> 'outcome' AS outcome
    FROM handoffs, jsonb_array_elements(attempts) AS attempt
    WHERE requested_at >= $1 AND requested_at < $2
), taken AS (
    SELECT agent,
        extract(epoch FROM accepted_at - rang_at)::float8 AS ring_s,
        extract(epoch FROM coalesce(ended_at, accepted_at) - accepted_at)::float8 AS talk_s
    FROM handoffs
    WHERE requested_at >= $1 AND requested_at < $2 AND accepted_at IS NOT NULL
), offers AS (
    SELECT agent, count(*) AS offered,
        count(*) FILTER (WHERE outcome = 'accepted') AS accepted,
        count(*) FILTER (WHERE outcome = 'declined') AS declined
    FROM rung
    GROUP BY agent
), talks AS (
    SELECT agent, avg(ring_s) AS mean_ring_s, sum(talk_s) AS talk_s FROM taken GROUP BY agent
), spans AS (
    SELECT agent, state,
        greatest(at, $1) AS begins,
        least(coalesce(lead(at) OVER (PARTITION BY agent ORDER BY at), $2), $2) AS ends
    FROM presence
    WHERE at < $2
), states AS (
    SELECT agent, state, sum(extract(epoch FROM ends - begins))::float8 AS seconds
    FROM spans
    WHERE ends > begins AND state <> 'offline'
    GROUP BY agent, state
), presences AS (
    SELECT agent, jsonb_object_agg(state, seconds) AS seconds FROM states GROUP BY agent
)
SELECT agent,
    coalesce(offers.offered, 0) AS offered,
    coalesce(offers.accepted, 0) AS accepted,
    coalesce(offers.declined, 0) AS declined,
    talks.mean_ring_s,
    coalesce(talks.talk_s, 0.0) AS talk_s,
    coalesce(presences.seconds, '{}') AS seconds_by_state
FROM offers FULL JOIN talks USING (agent) FULL JOIN presences USING (agent)
ORDER BY agent

-- name: intervals_before
SELECT queue, starts_at, interval_s, offered, answered, answered_in_time, abandoned,
    abandoned_short, redirected, overflowed, given_up, waited_s, longest_wait_s, handled, talk_s,
    held_s, wrap_up_s
FROM queue_intervals
WHERE instance = $1 AND life <> $2 AND starts_at >= $3
