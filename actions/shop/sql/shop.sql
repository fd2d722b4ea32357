-- name: any_order
SELECT EXISTS (SELECT FROM orders)

-- name: seed
INSERT INTO orders (order_number, customer_name, postcode, shipping_address, status, eta)
VALUES
    ('4815', 'Dana Whitfield', '90210', '7 Cedar Lane, Portland', 'processing', current_date + 4),
    ('2736', 'Marcus Ellery', '60614', '218 Lakeview Avenue, Chicago', 'delivered', current_date - 3),
    ('9042', 'Priya Raman', '10027', '55 Morningside Drive, New York', 'shipped', current_date + 1),
    ('1659', 'Tom Okafor', '73301', '904 Barton Street, Austin', 'processing', current_date + 6)
ON CONFLICT DO NOTHING

-- name: find_order
SELECT order_number, customer_name, postcode, shipping_address, status, eta, version, updated_at
FROM orders
WHERE order_number = $1

-- name: lock_order
SELECT status FROM orders WHERE order_number = $1 FOR UPDATE

-- name: change_address
UPDATE orders
SET shipping_address = $2, version = version + 1, updated_at = clock_timestamp()
WHERE order_number = $1
RETURNING order_number, shipping_address, version

-- name: claim_key
INSERT INTO answers (key, request_hash) VALUES ($1, $2)
ON CONFLICT (key) DO NOTHING
RETURNING key

-- name: void_key
INSERT INTO answers (key, status, body) VALUES ($1, $2, $3)
ON CONFLICT (key) DO NOTHING

-- name: store_answer
UPDATE answers SET status = $2, body = $3 WHERE key = $1

-- name: find_answer
SELECT request_hash, status, body FROM answers WHERE key = $1
