-- The keys that tokens are signed with, sealed under the identity's storage key: the greatest number of an algorithm signs,
-- those before verify until the last token they signed has ended.
CREATE TABLE log_token_keys (
    algorithm TEXT NOT NULL,
    number INTEGER NOT NULL,
    kid TEXT NOT NULL,
    -- Seconds since 1970.
    made INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (algorithm, number)
) WITHOUT ROWID;
