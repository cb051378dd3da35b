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
-- People who log in here, for sites without a login of their own.
CREATE TABLE log_people (
    id TEXT PRIMARY KEY,
    -- What is typed, in lower case.
    name TEXT NOT NULL UNIQUE,
    -- argon2id, with its parameters.
    password TEXT NOT NULL,
    title TEXT NOT NULL,
    -- Practitioner/x, Patient/x, RelatedPerson/x.
    fhir_user TEXT NOT NULL,
    -- active, disabled.
    status TEXT NOT NULL
);
-- Browsers in which somebody is logged in; times in seconds since 1970.
CREATE TABLE log_sessions (
    hash TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    began BIGINT NOT NULL,
    used BIGINT NOT NULL
);
-- What an EHR opens an app with, once.
CREATE TABLE log_launches (
    hash TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    patient TEXT NOT NULL,
    encounter TEXT NOT NULL,
    fhir_user TEXT NOT NULL,
    expires BIGINT NOT NULL
);
-- What people allowed apps, and the codes and refresh tokens that came of it. A used one is kept until it would have ended:
-- whoever sends it again has stolen it, or was stolen from.
CREATE TABLE log_grants (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    person TEXT NOT NULL,
    scope TEXT NOT NULL,
    patient TEXT NOT NULL,
    encounter TEXT NOT NULL,
    nonce TEXT NOT NULL,
    -- The session it ends with; empty for one that goes on without.
    session TEXT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE TABLE log_codes (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    redirect TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE TABLE log_refresh (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL
);
-- Who a person is to the login elsewhere; empty for nobody.
ALTER TABLE log_people ADD COLUMN subject TEXT NOT NULL DEFAULT '';
-- Logins elsewhere that were begun here.
CREATE TABLE log_logins (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    expires BIGINT NOT NULL
);
