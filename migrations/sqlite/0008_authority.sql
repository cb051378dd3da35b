-- Where in the log a lane's head stands: a writer names the heads that came after its own last op.
ALTER TABLE cache_lanes ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
-- Pairs of ops that one author signed for one place of one lane: each is proof.
CREATE TABLE cache_forks (
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    one BLOB NOT NULL,
    other BLOB NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance, seq, one, other)
) WITHOUT ROWID;
-- Changes of others that do not count, and why: kept and shown, not applied.
CREATE TABLE cache_quarantine (
    op BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    reason INTEGER NOT NULL,
    position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX cache_quarantine_record ON cache_quarantine (record, position);
-- What a line of reach serves, a bit for each family of purposes.
ALTER TABLE cache_reach ADD COLUMN purposes INTEGER NOT NULL DEFAULT 0;
