CREATE TABLE orders (
    order_number text PRIMARY KEY,
    customer_name text NOT NULL,
    postcode text NOT NULL,
    shipping_address text NOT NULL,
    status text NOT NULL CHECK (status IN ('processing', 'shipped', 'delivered', 'cancelled')),
    eta date,
    version integer NOT NULL DEFAULT 1, -- counts the changes: one effect, one step
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The answer that was given under each idempotency key, written in the transaction of its effect.
CREATE TABLE answers (
    key text PRIMARY KEY,
    request_hash text, -- null: the key was voided before any request had it
    status integer,
    body jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
