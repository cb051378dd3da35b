-- How much a client may ask where the operator says it: requests a second, at once after a rest, and beside each other,
-- separated by spaces; empty for what every client may.
ALTER TABLE log_clients ADD COLUMN quota TEXT NOT NULL DEFAULT '';
