-- Rebuilt from the log by `chartwell reindex`; never backed up, never the only copy of anything.
CREATE TABLE cache_records (
    record BLOB PRIMARY KEY,
    purpose INTEGER NOT NULL,
    authority BLOB NOT NULL,
    control INTEGER NOT NULL
);
-- Which local Patient a record is about.
CREATE TABLE cache_homes (
    patient TEXT NOT NULL,
    record BLOB NOT NULL,
    bound INTEGER NOT NULL,
    PRIMARY KEY (patient, record)
) WITHOUT ROWID;
CREATE INDEX cache_homes_record ON cache_homes (record);
CREATE TABLE cache_lanes (
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    lamport INTEGER NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance)
) WITHOUT ROWID;
-- One row per version served here. A position is unique and grows in commit order.
CREATE TABLE cache_versions (
    position INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    op BLOB NOT NULL,
    place INTEGER NOT NULL,
    record BLOB NOT NULL,
    origin BLOB NOT NULL,
    own INTEGER NOT NULL,
    class INTEGER NOT NULL,
    method INTEGER NOT NULL,
    current INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    -- Lane instance, sequence number and key tag, so that a read opens the frame without its op.
    seal BLOB NOT NULL,
    json BLOB NOT NULL
);
CREATE INDEX cache_versions_id ON cache_versions (type, id, position DESC);
CREATE INDEX cache_versions_type ON cache_versions (type, position DESC) WHERE current = 1;
CREATE INDEX cache_versions_record ON cache_versions (record, position);
CREATE TABLE cache_token (
    type INTEGER NOT NULL,
    param INTEGER NOT NULL,
    code TEXT NOT NULL,
    system TEXT NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX cache_token_code ON cache_token (type, param, code, position DESC);
CREATE INDEX cache_token_position ON cache_token (position);
CREATE TABLE cache_string (
    type INTEGER NOT NULL,
    param INTEGER NOT NULL,
    normal TEXT NOT NULL,
    exact TEXT NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX cache_string_normal ON cache_string (type, param, normal, position DESC);
CREATE INDEX cache_string_position ON cache_string (position);
CREATE TABLE cache_date (
    type INTEGER NOT NULL,
    param INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX cache_date_low ON cache_date (type, param, low, high);
CREATE INDEX cache_date_position ON cache_date (position);
CREATE TABLE cache_reference (
    type INTEGER NOT NULL,
    param INTEGER NOT NULL,
    target TEXT NOT NULL,
    kind INTEGER NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX cache_reference_target ON cache_reference (type, param, target, position DESC);
CREATE INDEX cache_reference_position ON cache_reference (position);
CREATE TABLE cache_number (
    type INTEGER NOT NULL,
    param INTEGER NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    position INTEGER NOT NULL
);
CREATE INDEX cache_number_low ON cache_number (type, param, low, high);
CREATE INDEX cache_number_position ON cache_number (position);
-- What others let us see, folded from their grants; joined with the request's clock.
CREATE TABLE cache_reach (
    record BLOB NOT NULL,
    type INTEGER NOT NULL,
    class INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    grant_id TEXT NOT NULL
);
CREATE INDEX cache_reach_record ON cache_reach (record, type, class);
-- Copies of directory resources that a record already carries.
CREATE TABLE cache_copies (
    record BLOB NOT NULL,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (record, type, id)
) WITHOUT ROWID;
-- Resource frames that were withheld or have not come yet.
CREATE TABLE cache_missing (
    op BLOB NOT NULL,
    place INTEGER NOT NULL,
    record BLOB NOT NULL,
    type TEXT NOT NULL,
    class INTEGER NOT NULL,
    PRIMARY KEY (op, place)
) WITHOUT ROWID;
CREATE INDEX cache_missing_record ON cache_missing (record);
