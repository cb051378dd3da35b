-- Where in the log a lane's head stands: a writer names the heads that came after its own last op.
ALTER TABLE cache_lanes ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
-- Pairs of ops that one author signed for one place of one lane: each is proof.
CREATE TABLE cache_forks (
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    one BYTEA NOT NULL,
    other BYTEA NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance, seq, one, other)
);
-- Changes of others that do not count, and why: kept and shown, not applied.
CREATE TABLE cache_quarantine (
    op BYTEA PRIMARY KEY,
    record BYTEA NOT NULL,
    reason BIGINT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_quarantine_record ON cache_quarantine (record, position);
-- What a line of reach serves, a bit for each family of purposes.
ALTER TABLE cache_reach ADD COLUMN purposes BIGINT NOT NULL DEFAULT 0;
