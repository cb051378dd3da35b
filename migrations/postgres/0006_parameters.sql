-- Search parameters that were stored as resources, as $reindex took them up: what the index has rows for beyond R4's own.
-- The clock has a number drawn at every change, so that a transaction sees whether rows were prepared under what is in force.
ALTER TABLE log_clock ADD COLUMN parameters BIGINT NOT NULL DEFAULT 0;
CREATE TABLE log_search_parameters (
    -- Stands in the index rows; given to nothing else while there can be such rows.
    number BIGINT PRIMARY KEY,
    -- The SearchParameter, and its JSON as it was then.
    id TEXT NOT NULL,
    definition BYTEA NOT NULL,
    -- 0 being indexed, 1 searched, 2 being removed.
    state BIGINT NOT NULL,
    -- Resources on which its expression failed.
    failed BIGINT NOT NULL
);
-- What $reindex did and does.
CREATE TABLE log_reindexes (
    id TEXT PRIMARY KEY,
    -- 0 running, 1 done, 2 cancelled.
    state BIGINT NOT NULL,
    -- Microseconds since 1970.
    started BIGINT NOT NULL,
    -- When a process last worked on it, milliseconds since 1970.
    touched BIGINT NOT NULL,
    -- Versions up to it have their rows; those after the last had them when they were written.
    position BIGINT NOT NULL,
    last BIGINT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    -- What the answer tells, as JSON.
    notes TEXT NOT NULL
);
