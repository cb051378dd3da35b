-- One's own ops that came back from a peer after the database was restored: they are older than what was written here.
CREATE TABLE log_returned (
    op BYTEA PRIMARY KEY
);
-- Resources in the house record because what they name as their patient is not here yet.
CREATE TABLE cache_waiting (
    target TEXT NOT NULL,
    type BIGINT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (target, type, id)
);
-- The history of a type, all versions of it.
CREATE INDEX cache_versions_history ON cache_versions (type, position DESC);
