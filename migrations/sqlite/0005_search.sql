-- Searches: rows of one element belong together (grp), a version that was replaced stays findable for the pages that were
-- begun before (current = 2, until it is swept), and the index tables have the order that pages are read in.
-- `reindex` fills them again; a node does so by itself when it opens a database whose index has another format.
ALTER TABLE cache_versions ADD COLUMN retired INTEGER NOT NULL DEFAULT 9223372036854775807;
DROP INDEX cache_versions_type;
CREATE INDEX cache_versions_live ON cache_versions (type, position) WHERE current > 0;
CREATE INDEX cache_versions_updated ON cache_versions (type, last_updated) WHERE current > 0;
CREATE INDEX cache_versions_retired ON cache_versions (retired) WHERE current = 2;
DROP TABLE cache_token;
DROP TABLE cache_string;
DROP TABLE cache_date;
DROP TABLE cache_reference;
DROP TABLE cache_number;
CREATE TABLE cache_token (
    position INTEGER NOT NULL,
    param INTEGER NOT NULL,
    type INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    code TEXT NOT NULL,
    system TEXT NOT NULL
);
CREATE INDEX cache_token_code ON cache_token (type, param, code, position, system);
CREATE INDEX cache_token_position ON cache_token (position);
CREATE TABLE cache_string (
    position INTEGER NOT NULL,
    param INTEGER NOT NULL,
    type INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    normal TEXT NOT NULL,
    exact TEXT NOT NULL
);
CREATE INDEX cache_string_normal ON cache_string (type, param, normal, position);
CREATE INDEX cache_string_position ON cache_string (position);
CREATE TABLE cache_date (
    position INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    param INTEGER NOT NULL,
    type INTEGER NOT NULL,
    grp INTEGER NOT NULL
);
CREATE INDEX cache_date_low ON cache_date (type, param, low, high, position);
CREATE INDEX cache_date_high ON cache_date (type, param, high, position);
CREATE INDEX cache_date_position ON cache_date (position);
CREATE TABLE cache_reference (
    position INTEGER NOT NULL,
    param INTEGER NOT NULL,
    type INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    target TEXT NOT NULL,
    kind INTEGER NOT NULL
);
CREATE INDEX cache_reference_target ON cache_reference (type, param, target, position);
CREATE INDEX cache_reference_position ON cache_reference (position);
CREATE TABLE cache_number (
    position INTEGER NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    param INTEGER NOT NULL,
    type INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL
);
CREATE INDEX cache_number_low ON cache_number (type, param, low, high, position);
CREATE INDEX cache_number_high ON cache_number (type, param, high, position);
CREATE INDEX cache_number_position ON cache_number (position);
