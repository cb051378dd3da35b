-- Each audit row is sealed over the one before it: a row that was changed or taken out shows.
ALTER TABLE log_audit ADD COLUMN seal BLOB NOT NULL DEFAULT X'';
