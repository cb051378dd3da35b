-- A line of reach that opens only what the parameters of its grant's scopes name; `cache_within` says which versions those are.
ALTER TABLE cache_reach ADD COLUMN narrowed BIGINT NOT NULL DEFAULT 0;
-- Versions that a grant with parameters reaches, with the handle that their resource has in the record.
CREATE TABLE cache_within (
    position BIGINT NOT NULL,
    grant_id TEXT NOT NULL,
    record BYTEA NOT NULL,
    handle BYTEA NOT NULL,
    PRIMARY KEY (position, grant_id)
);
CREATE INDEX cache_within_handle ON cache_within (record, handle);
