-- The truth: what is backed up and never dropped.
CREATE TABLE log_meta (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
-- One row; whoever advances it holds its lock until commit, so positions and times follow commit order.
CREATE TABLE log_clock (
    one BIGINT PRIMARY KEY,
    position BIGINT NOT NULL,
    last_updated BIGINT NOT NULL
);
INSERT INTO log_clock (one, position, last_updated) VALUES (1, 0, 0);
CREATE TABLE log_ops (
    id BYTEA PRIMARY KEY,
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    lamport BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    position BIGINT NOT NULL,
    last_updated BIGINT NOT NULL,
    header BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    entries BYTEA NOT NULL
);
CREATE INDEX log_ops_record ON log_ops (record, position);
CREATE INDEX log_ops_lane ON log_ops (record, author, lane_kind, lane_instance, seq);
CREATE TABLE log_frames (
    op BYTEA NOT NULL,
    place BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (op, place)
);
ALTER TABLE log_frames ALTER COLUMN bytes SET STORAGE EXTERNAL;
-- Versions that became visible later than their op arrived: their own position and time.
CREATE TABLE log_journal (
    op BYTEA NOT NULL,
    place BIGINT NOT NULL,
    position BIGINT NOT NULL,
    last_updated BIGINT NOT NULL,
    PRIMARY KEY (op, place)
);
-- Keys of records, sealed under the identity's storage key.
CREATE TABLE log_keys (
    record BYTEA NOT NULL,
    epoch BYTEA NOT NULL,
    level TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (record, epoch, level)
);
-- Identities met: their cards, and where they were last reachable.
CREATE TABLE log_identities (
    id BYTEA PRIMARY KEY,
    card BYTEA NOT NULL,
    name TEXT NOT NULL,
    addresses TEXT NOT NULL
);
CREATE TABLE log_clients (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    jwks TEXT NOT NULL
);
-- One's own invites and requests until their op exists, and pairings in progress: every version.
CREATE TABLE log_tasks (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL,
    last_updated BIGINT NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE TABLE log_audit (
    position BIGINT PRIMARY KEY,
    recorded BIGINT NOT NULL,
    who TEXT NOT NULL,
    client TEXT NOT NULL,
    purpose TEXT NOT NULL,
    interaction TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    patient TEXT NOT NULL,
    query TEXT NOT NULL,
    outcome BIGINT NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX log_audit_patient ON log_audit (patient, position DESC);
-- What each peer has acknowledged, by lane.
CREATE TABLE log_acks (
    peer BYTEA NOT NULL,
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id BYTEA NOT NULL,
    PRIMARY KEY (peer, record, author, lane_kind, lane_instance)
);
-- Assertions of SMART Backend Services seen, so that none is used twice.
CREATE TABLE log_assertions (
    jti TEXT PRIMARY KEY,
    expires BIGINT NOT NULL
);
