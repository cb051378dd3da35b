-- Of lanes that forked, the last ops of all branches but the one that cache_lanes has.
CREATE TABLE cache_branches (
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id BYTEA NOT NULL,
    lamport BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (record, author, lane_kind, lane_instance, id)
);
-- What a peer told of a lane beside the head that log_acks has.
CREATE TABLE log_ack_branches (
    peer BYTEA NOT NULL,
    record BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lane_kind BIGINT NOT NULL,
    lane_instance BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id BYTEA NOT NULL,
    PRIMARY KEY (peer, record, author, lane_kind, lane_instance, id)
);
