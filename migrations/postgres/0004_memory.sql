-- What the last transaction but one wrote, and the last: a process goes on with what it has read only where the one before
-- is its own. Drawn at random, so that a database that fell behind and counted on is not taken for the one before.
ALTER TABLE log_clock ADD COLUMN token_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE log_clock ADD COLUMN token BIGINT NOT NULL DEFAULT 0;
-- Where one's own resources were removed: what is older there stands there no more.
CREATE TABLE cache_removed (
    record BYTEA NOT NULL,
    type BIGINT NOT NULL,
    id TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (record, type, id)
);
