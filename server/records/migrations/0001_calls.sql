CREATE TABLE calls (
    id uuid PRIMARY KEY,
    network_call_id text NOT NULL, -- the network's own id: the SIP Call-ID
    caller text NOT NULL,
    callee text NOT NULL,
    transport text NOT NULL,
    started_at timestamptz NOT NULL,
    answered_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    outcome text,
    recording_path text,
    instance uuid NOT NULL, -- which server's spool folder the call went through
    life uuid NOT NULL -- which run of that server: its open calls end when another run begins
);

CREATE INDEX calls_newest ON calls (started_at DESC, id DESC);
CREATE INDEX calls_open ON calls (instance) WHERE ended_at IS NULL;

-- voice.events.TurnRecord, field by field.
CREATE TABLE turns (
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    index integer NOT NULL,
    started_at_s double precision NOT NULL,
    caller_text text NOT NULL,
    caller_kind text NOT NULL,
    n_best jsonb NOT NULL,
    understanding jsonb,
    actions jsonb NOT NULL,
    said text NOT NULL,
    heard text NOT NULL,
    interrupted boolean NOT NULL,
    times jsonb NOT NULL, -- voice.events.TurnTimes: where the gap went
    PRIMARY KEY (call_id, index)
);
