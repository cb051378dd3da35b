-- Searches: rows of one element belong together (grp), a version that was replaced stays findable for the pages that were
-- begun before (current = 2, until it is swept), and the index tables have the order that pages are read in.
-- `reindex` fills them again; a node does so by itself when it opens a database whose index has another format.
ALTER TABLE cache_versions ADD COLUMN retired BIGINT NOT NULL DEFAULT 9223372036854775807;
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
    position BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    system TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cache_token_code ON cache_token (type, param, code, position, system);
CREATE INDEX cache_token_position ON cache_token (position);
CREATE TABLE cache_string (
    position BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    normal TEXT COLLATE "C" NOT NULL,
    exact TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cache_string_normal ON cache_string (type, param, normal, position);
CREATE INDEX cache_string_position ON cache_string (position);
CREATE TABLE cache_date (
    position BIGINT NOT NULL,
    low BIGINT NOT NULL,
    high BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL
);
CREATE INDEX cache_date_low ON cache_date (type, param, low, high, position);
CREATE INDEX cache_date_high ON cache_date (type, param, high, position);
CREATE INDEX cache_date_position ON cache_date (position);
CREATE TABLE cache_reference (
    position BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    kind SMALLINT NOT NULL
);
CREATE INDEX cache_reference_target ON cache_reference (type, param, target, position);
CREATE INDEX cache_reference_position ON cache_reference (position);
CREATE TABLE cache_number (
    position BIGINT NOT NULL,
    low DOUBLE PRECISION NOT NULL,
    high DOUBLE PRECISION NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    system TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cache_number_low ON cache_number (type, param, low, high, position);
CREATE INDEX cache_number_high ON cache_number (type, param, high, position);
CREATE INDEX cache_number_position ON cache_number (position);
