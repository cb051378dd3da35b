-- A line of reach that opens only what the parameters of its grant's scopes name; `cache_within` says which versions those are.
ALTER TABLE cache_reach ADD COLUMN narrowed BIGINT NOT NULL DEFAULT 0;
-- Versions that a grant with parameters reaches: the handle that their resource has in the record, and their place among the
-- author's versions of it.
CREATE TABLE cache_within (
    position BIGINT NOT NULL,
    grant_id TEXT NOT NULL,
    record BYTEA NOT NULL,
    handle BYTEA NOT NULL,
    author BYTEA NOT NULL,
    lamport BIGINT NOT NULL,
    op BYTEA NOT NULL,
    PRIMARY KEY (position, grant_id)
);
CREATE INDEX cache_within_handle ON cache_within (record, handle);
-- Versions beyond the parameters of a grant, or withheld (of no grant in particular): none before them is shown.
CREATE TABLE cache_beyond (
    record BYTEA NOT NULL,
    handle BYTEA NOT NULL,
    author BYTEA NOT NULL,
    grant_id TEXT NOT NULL,
    lamport BIGINT NOT NULL,
    op BYTEA NOT NULL,
    PRIMARY KEY (record, handle, grant_id, op)
);
