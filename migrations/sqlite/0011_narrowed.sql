-- A line of reach that opens only what the parameters of its grant's scopes name; `cache_within` says which versions those are.
ALTER TABLE cache_reach ADD COLUMN narrowed INTEGER NOT NULL DEFAULT 0;
-- Versions that a grant with parameters reaches, with the handle that their resource has in the record.
CREATE TABLE cache_within (
    position INTEGER NOT NULL,
    grant_id TEXT NOT NULL,
    record BLOB NOT NULL,
    handle BLOB NOT NULL,
    PRIMARY KEY (position, grant_id)
) WITHOUT ROWID;
CREATE INDEX cache_within_handle ON cache_within (record, handle);
