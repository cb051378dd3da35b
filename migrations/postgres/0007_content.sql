-- The words of whole resources, for _content: one row for each, found by its version alone.
CREATE TABLE cache_content (
    position BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    normal TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cache_content_position ON cache_content (position);
-- With both ends in it a look for late dates reads the index alone, from where it begins.
DROP INDEX cache_date_high;
CREATE INDEX cache_date_high ON cache_date (type, param, high, low, position);
