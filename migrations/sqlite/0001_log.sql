-- The truth: what is backed up and never dropped.
CREATE TABLE log_meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
-- One row; whoever advances it holds its lock until commit, so positions and times follow commit order.
CREATE TABLE log_clock (
    one INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    last_updated INTEGER NOT NULL
);
INSERT INTO log_clock (one, position, last_updated) VALUES (1, 0, 0);
CREATE TABLE log_ops (
    id BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    position INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    header BLOB NOT NULL,
    signature BLOB NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX log_ops_record ON log_ops (record, position);
CREATE INDEX log_ops_lane ON log_ops (record, author, lane_kind, lane_instance, seq);
CREATE TABLE log_frames (
    op BLOB NOT NULL,
    place INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (op, place)
) WITHOUT ROWID;
-- Versions that became visible later than their op arrived: their own position and time.
CREATE TABLE log_journal (
    op BLOB NOT NULL,
    place INTEGER NOT NULL,
    position INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    PRIMARY KEY (op, place)
) WITHOUT ROWID;
-- Keys of records, sealed under the identity's storage key.
CREATE TABLE log_keys (
    record BLOB NOT NULL,
    epoch BLOB NOT NULL,
    level TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (record, epoch, level)
) WITHOUT ROWID;
-- Identities met: their cards, and where they were last reachable.
CREATE TABLE log_identities (
    id BLOB PRIMARY KEY,
    card BLOB NOT NULL,
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
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE log_audit (
    position INTEGER PRIMARY KEY,
    recorded INTEGER NOT NULL,
    who TEXT NOT NULL,
    client TEXT NOT NULL,
    purpose TEXT NOT NULL,
    interaction TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    patient TEXT NOT NULL,
    query TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX log_audit_patient ON log_audit (patient, position DESC);
-- What each peer has acknowledged, by lane.
CREATE TABLE log_acks (
    peer BLOB NOT NULL,
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (peer, record, author, lane_kind, lane_instance)
) WITHOUT ROWID;
-- Assertions of SMART Backend Services seen, so that none is used twice.
CREATE TABLE log_assertions (
    jti TEXT PRIMARY KEY,
    expires INTEGER NOT NULL
);
