-- Drawn anew by each change of what a token comes to: whatever a process keeps of tokens, clients and keys holds while it stays.
CREATE TABLE log_clients_mark (one INTEGER PRIMARY KEY CHECK (one = 1), mark INTEGER NOT NULL);
INSERT INTO log_clients_mark (one, mark) VALUES (1, 0);
-- By triggers, so that no statement forgets it: not one of an older build that still runs beside this one, nor one by hand. A
-- client that is new, and names of revoked tokens that are forgotten, end nothing.
CREATE TRIGGER log_clients_changed AFTER UPDATE ON log_clients BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_clients_removed AFTER DELETE ON log_clients BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_revoked_added AFTER INSERT ON log_revoked BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_revoked_changed AFTER UPDATE ON log_revoked BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_token_keys_added AFTER INSERT ON log_token_keys BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_token_keys_changed AFTER UPDATE ON log_token_keys BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
CREATE TRIGGER log_token_keys_removed AFTER DELETE ON log_token_keys BEGIN
    UPDATE log_clients_mark SET mark = random() WHERE one = 1;
END;
-- Logins that failed, by hashes of the name and where it was typed, and of the name alone; forgotten after an hour.
CREATE TABLE log_attempts (hash TEXT PRIMARY KEY, times INTEGER NOT NULL, since INTEGER NOT NULL);
CREATE INDEX log_attempts_since ON log_attempts (since);
