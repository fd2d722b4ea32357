-- The ledger: every effect, written before it goes out.
CREATE TABLE actions (
    key text PRIMARY KEY,
    call_id text NOT NULL,
    name text NOT NULL,
    arguments jsonb NOT NULL,
    status text NOT NULL
        CHECK (status IN ('pending', 'succeeded', 'refused', 'unavailable', 'unknown')),
    result jsonb NOT NULL DEFAULT '{}',
    error text,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX actions_of_call ON actions (call_id, created_at);
CREATE INDEX actions_unsettled ON actions (updated_at) WHERE status IN ('pending', 'unknown');

-- Callers to ring back, written together with the action that asked for it.
CREATE TABLE callbacks (
    key text PRIMARY KEY REFERENCES actions (key) ON DELETE CASCADE,
    call_id text NOT NULL,
    phone text,
    reason text,
    facts jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX callbacks_open ON callbacks (created_at) WHERE status = 'open';
