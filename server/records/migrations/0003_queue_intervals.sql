-- What the queues counted, by interval. Each life of a server has rows of its own, so that a row can
-- be written again whole; an interval is what all lives counted in it.
CREATE TABLE queue_intervals (
    instance uuid NOT NULL,
    life uuid NOT NULL,
    queue text NOT NULL,
    starts_at timestamptz NOT NULL,
    interval_s integer NOT NULL,
    offered integer NOT NULL,
    answered integer NOT NULL,
    answered_in_time integer NOT NULL,
    abandoned integer NOT NULL,
    abandoned_short integer NOT NULL,
    redirected integer NOT NULL,
    overflowed integer NOT NULL,
    given_up jsonb NOT NULL, -- by why
    waited_s double precision NOT NULL, -- of the answered
    longest_wait_s double precision NOT NULL,
    handled integer NOT NULL,
    talk_s double precision NOT NULL,
    held_s double precision NOT NULL,
    wrap_up_s double precision NOT NULL,
    PRIMARY KEY (instance, life, queue, starts_at, interval_s)
);

CREATE INDEX queue_intervals_by_time ON queue_intervals (starts_at);
