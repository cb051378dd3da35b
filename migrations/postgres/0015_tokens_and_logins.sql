-- Drawn anew by each change of what a token comes to: whatever a process keeps of tokens, clients and keys holds while it stays.
CREATE TABLE log_clients_mark (one BIGINT PRIMARY KEY CHECK (one = 1), mark BIGINT NOT NULL);
INSERT INTO log_clients_mark (one, mark) VALUES (1, 0);
-- By triggers, so that no statement forgets it: not one of an older build that still runs beside this one, nor one by hand. A
-- client that is new, and names of revoked tokens that are forgotten, end nothing.
CREATE FUNCTION draw_clients_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE log_clients_mark SET mark = hashtextextended(gen_random_uuid()::text, 0) WHERE one = 1;
    RETURN NULL;
END
$$;
-- Before the statement's own rows: whoever changes clients waits here first, so that two of them never wait for each other.
CREATE TRIGGER log_clients_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON log_clients
    FOR EACH STATEMENT EXECUTE FUNCTION draw_clients_mark();
CREATE TRIGGER log_revoked_changed BEFORE INSERT OR UPDATE ON log_revoked
    FOR EACH STATEMENT EXECUTE FUNCTION draw_clients_mark();
CREATE TRIGGER log_token_keys_changed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON log_token_keys
    FOR EACH STATEMENT EXECUTE FUNCTION draw_clients_mark();
-- Logins that failed, by hashes of the name and where it was typed, and of the name alone; forgotten after an hour.
CREATE TABLE log_attempts (hash TEXT PRIMARY KEY, times BIGINT NOT NULL, since BIGINT NOT NULL);
CREATE INDEX log_attempts_since ON log_attempts (since);
