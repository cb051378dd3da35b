-- The words of whole resources, for _content: one row for each, found by its version alone.
CREATE TABLE cache_content (
    position BIGINT NOT NULL,
    param INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    grp SMALLINT NOT NULL,
    normal TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cache_content_position ON cache_content (position);
