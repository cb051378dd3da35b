-- Whose resource a version is of, whoever wrote it: others than the origin may, where a grant says so.
ALTER TABLE cache_within RENAME COLUMN author TO origin;
ALTER TABLE cache_beyond RENAME COLUMN author TO origin;
-- Versions of a resource of one's own that another's edit covers: few, and asked for by what they are.
CREATE INDEX cache_versions_covered ON cache_versions (type, id) WHERE current = 3;
