-- --- who may do what ----------------------------------------------------------------------------

CREATE TABLE users (
    id uuid PRIMARY KEY,
    login text NOT NULL UNIQUE, -- as it is compared: trimmed, case folded
    display_name text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin', 'auditor')),
    skills jsonb NOT NULL, -- skill -> level, 1 to 5, 5 the best
    languages jsonb NOT NULL, -- BCP 47 tags, the preferred one first
    extension text UNIQUE, -- the user of their SIP phone
    ha1 jsonb, -- digest algorithm -> H(extension:realm:password): as good as that password
    password_hash text, -- argon2id in PHC form; none: they sign in elsewhere
    oidc_subject text UNIQUE, -- issuer and subject; none: they sign in here
    active boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK ((extension IS NULL) = (ha1 IS NULL))
);

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY, -- the token itself only the browser has
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL
);

CREATE INDEX sessions_of_user ON sessions (user_id);

-- How often sign-in was tried in vain, by account and by network address.
CREATE TABLE sign_in_attempts (
    subject text PRIMARY KEY, -- hashed: people type passwords into the field for names
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);

-- Sign-ins that are under way at the identity provider.
CREATE TABLE oidc_flows (
    browser_hash bytea PRIMARY KEY, -- of the cookie that ties the way back to the same browser
    state text NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    started_at timestamptz NOT NULL
);

CREATE TABLE audit (
    seq bigint PRIMARY KEY, -- 1, 2, 3, … without a gap
    at timestamptz NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL, -- who did it: a user's id, or `machine`, `command_line`, `unknown`
    actor_name text NOT NULL,
    address text NOT NULL,
    subject text NOT NULL, -- what it was done to
    detail jsonb NOT NULL, -- text by name
    previous bytea NOT NULL, -- the hash of the entry before; 32 zero bytes in the first
    hash bytea NOT NULL -- SHA-256 over `previous` and everything above
);

CREATE FUNCTION refuse_to_rewrite_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only ever appended to';
END $$;

CREATE TRIGGER audit_is_appended_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_audit();

-- --- what happened at the desk ------------------------------------------------------------------

CREATE TABLE handoffs (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    requested_at timestamptz NOT NULL,
    reason text NOT NULL,
    skill text,
    context jsonb NOT NULL, -- server.handoff.context.HandOffContext
    agent text, -- who was rung last, and has the call once accepted_at is set
    rang_at timestamptz,
    accepted_at timestamptz,
    ended_at timestamptz,
    outcome text, -- `server_crash` when we died during it
    attempts jsonb NOT NULL, -- server.records.desk_facts.Attempt, in order
    instance uuid NOT NULL,
    life uuid NOT NULL
);

CREATE INDEX handoffs_newest ON handoffs (requested_at DESC, id DESC);
CREATE INDEX handoffs_of_call ON handoffs (call_id);
CREATE INDEX handoffs_of_agent ON handoffs (agent, requested_at DESC);
CREATE INDEX handoffs_open ON handoffs (instance) WHERE ended_at IS NULL;

CREATE TABLE presence (
    agent text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL, -- the state from `at` on; `offline` ends the series
    reason text NOT NULL,
    instance uuid NOT NULL,
    life uuid NOT NULL,
    PRIMARY KEY (agent, at)
);

CREATE INDEX presence_of_life ON presence (instance, life);

CREATE TABLE notes (
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    agent text NOT NULL,
    text text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (call_id, agent)
);

CREATE TABLE dispositions (
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    agent text NOT NULL,
    code text NOT NULL,
    text text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (call_id, agent)
);

CREATE TABLE callback_promises (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    number text NOT NULL,
    skill text,
    place integer NOT NULL, -- in line when it was promised, 1 is next
    queued_at timestamptz NOT NULL, -- the caller waits since then: what keeps the place
    promised_at timestamptz NOT NULL,
    settled_at timestamptz,
    outcome text
);

CREATE INDEX callback_promises_open ON callback_promises (queued_at) WHERE settled_at IS NULL;

-- What caller and agent said to each other.
CREATE TABLE overheard (
    call_id uuid NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at_s double precision NOT NULL, -- since the call was answered
    who text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (call_id, at_s, who)
);

CREATE INDEX calls_of_caller ON calls (caller, started_at DESC);
