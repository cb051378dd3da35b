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
-- How a client proves who it is (key, secret, none), the hash of its secret, where people are sent back to, what it may ask
-- for, and whether it may at all (approved, pending, disabled). Lists are separated by spaces.
ALTER TABLE log_clients ADD COLUMN auth TEXT NOT NULL DEFAULT 'key';
ALTER TABLE log_clients ADD COLUMN secret TEXT NOT NULL DEFAULT '';
ALTER TABLE log_clients ADD COLUMN redirects TEXT NOT NULL DEFAULT '';
ALTER TABLE log_clients ADD COLUMN launch TEXT NOT NULL DEFAULT '';
ALTER TABLE log_clients ADD COLUMN grants TEXT NOT NULL DEFAULT 'client_credentials';
ALTER TABLE log_clients ADD COLUMN rights TEXT NOT NULL DEFAULT '';
ALTER TABLE log_clients ADD COLUMN status TEXT NOT NULL DEFAULT 'approved';
-- Seconds since 1970; 0 where nobody noted it.
ALTER TABLE log_clients ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
-- Tokens and grants that were taken back, until the last token of theirs has ended.
CREATE TABLE log_revoked (
    id TEXT PRIMARY KEY,
    expires BIGINT NOT NULL
);
