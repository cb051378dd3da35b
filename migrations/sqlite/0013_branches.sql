-- Of lanes that forked, the last ops of all branches but the one that cache_lanes has.
CREATE TABLE cache_branches (
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    lamport INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance, id)
) WITHOUT ROWID;
-- What a peer told of a lane beside the head that log_acks has.
CREATE TABLE log_ack_branches (
    peer BLOB NOT NULL,
    record BLOB NOT NULL,
    author BLOB NOT NULL,
    lane_kind INTEGER NOT NULL,
    lane_instance INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (peer, record, author, lane_kind, lane_instance, id)
) WITHOUT ROWID;
