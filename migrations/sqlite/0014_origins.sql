-- Whose resource a version is of, whoever wrote it: others than the origin may, where a grant says so.
ALTER TABLE cache_within RENAME COLUMN author TO origin;
ALTER TABLE cache_beyond RENAME COLUMN author TO origin;
