-- Rebuilt from the log by `chartwell reindex`; never backed up, never the only copy of anything.
CREATE TABLE cache_records (
    record BYTEA PRIMARY KEY,
    purpose BIGINT NOT NULL,
    authority BYTEA NOT NULL,
    control BIGINT NOT NULL
);
-- Which local Patient a record is about.
CREATE TABLE cache_homes (
    patient TEXT NOT NULL,
    record BYTEA NOT NULL,
    bound BIGINT NOT NULL,
    PRIMARY KEY (patient, record)
);
CREATE INDEX cache_homes_record ON cache_homes (record);
CREATE TABLE cache_lanes (
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id BYTEA NOT NULL,
    lamport BIGINT NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance)
);
-- One row per version served here. A position is unique and grows in commit order.
CREATE TABLE cache_versions (
    position BIGINT PRIMARY KEY,
    type BIGINT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    op BYTEA NOT NULL,
    place BIGINT NOT NULL,
    record BYTEA NOT NULL,
    origin BYTEA NOT NULL,
    own BIGINT NOT NULL,
    class BIGINT NOT NULL,
    method BIGINT NOT NULL,
    current BIGINT NOT NULL,
    lamport BIGINT NOT NULL,
    last_updated BIGINT NOT NULL,
    -- Lane instance, sequence number and key tag, so that a read opens the frame without its op.
    seal BYTEA NOT NULL,
    json BYTEA NOT NULL
);
CREATE INDEX cache_versions_id ON cache_versions (type, id, position DESC);
CREATE INDEX cache_versions_type ON cache_versions (type, position DESC) WHERE current = 1;
CREATE INDEX cache_versions_record ON cache_versions (record, position);
CREATE TABLE cache_token (
    type BIGINT NOT NULL,
    param BIGINT NOT NULL,
    code TEXT NOT NULL,
    system TEXT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_token_code ON cache_token (type, param, code, position DESC);
CREATE INDEX cache_token_position ON cache_token (position);
CREATE TABLE cache_string (
    type BIGINT NOT NULL,
    param BIGINT NOT NULL,
    normal TEXT COLLATE "C" NOT NULL,
    exact TEXT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_string_normal ON cache_string (type, param, normal, position DESC);
CREATE INDEX cache_string_position ON cache_string (position);
CREATE TABLE cache_date (
    type BIGINT NOT NULL,
    param BIGINT NOT NULL,
    low BIGINT NOT NULL,
    high BIGINT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_date_low ON cache_date (type, param, low, high);
CREATE INDEX cache_date_position ON cache_date (position);
CREATE TABLE cache_reference (
    type BIGINT NOT NULL,
    param BIGINT NOT NULL,
    target TEXT NOT NULL,
    kind BIGINT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_reference_target ON cache_reference (type, param, target, position DESC);
CREATE INDEX cache_reference_position ON cache_reference (position);
CREATE TABLE cache_number (
    type BIGINT NOT NULL,
    param BIGINT NOT NULL,
    low DOUBLE PRECISION NOT NULL,
    high DOUBLE PRECISION NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX cache_number_low ON cache_number (type, param, low, high);
CREATE INDEX cache_number_position ON cache_number (position);
-- What others let us see, folded from their grants; joined with the request's clock.
CREATE TABLE cache_reach (
    record BYTEA NOT NULL,
    type BIGINT NOT NULL,
    class BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    grant_id TEXT NOT NULL
);
CREATE INDEX cache_reach_record ON cache_reach (record, type, class);
-- Copies of directory resources that a record already carries.
CREATE TABLE cache_copies (
    record BYTEA NOT NULL,
    type BIGINT NOT NULL,
    id TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (record, type, id)
);
-- Resource frames that were withheld or have not come yet.
CREATE TABLE cache_missing (
    op BYTEA NOT NULL,
    place BIGINT NOT NULL,
    record BYTEA NOT NULL,
    type TEXT NOT NULL,
    class BIGINT NOT NULL,
    PRIMARY KEY (op, place)
);
CREATE INDEX cache_missing_record ON cache_missing (record);
