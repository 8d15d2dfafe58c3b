-- One row a user. Its lock orders the user's writers, so the order of versions is the order of commits. A user without
-- a row is gone: nothing more is written for them. Every write updates it in place (decision 0044).
CREATE TABLE sync_heads (
    user_id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    -- Tombstones up to here may be purged: a cursor below it is reset.
    floor bigint NOT NULL DEFAULT 0,
    -- When the room of kept answers is empty, if no more come: each moves it on by the 20 ms that a byte of it costs, it is
    -- never less than now, and full is what lies 30 days ahead. So it empties by itself, and nothing has to be counted off.
    answers_room_empty_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- No answer that is kept is older; null: none is. What is to be purged is found by it.
    oldest_answer_at timestamptz,
    CONSTRAINT sync_heads_pkey PRIMARY KEY (user_id),
    CONSTRAINT sync_heads_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sync_heads_order CHECK (0 <= floor AND floor <= version)
) WITH (fillfactor = 50);

CREATE INDEX sync_heads_oldest_answer ON sync_heads (oldest_answer_at);

-- The sequence of what all users share, and the random value that makes this database's epoch.
CREATE TABLE sync_shared (
    single boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    epoch_seed bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    -- What documents look like now: the highest that every connected process can write (decision 0039).
    document_shape integer NOT NULL DEFAULT 1,
    CONSTRAINT sync_shared_pkey PRIMARY KEY (single),
    CONSTRAINT sync_shared_single CHECK (single),
    CONSTRAINT sync_shared_order CHECK (0 <= floor AND floor <= version)
);

INSERT INTO sync_shared DEFAULT VALUES;

-- What a cursor begins with. lockstep.cluster is the system identifier and timeline, set by each connection when it
-- opens; the user is part of it so that nobody's cursor is taken for another's, and the shape so that whoever holds documents
-- of another one reads them anew.
CREATE FUNCTION sync_epoch(p_seed bytea, p_shape integer, p_user uuid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT encode(substring(sha256(
        p_seed || int4send(p_shape) || uuid_send(p_user)
        || convert_to(coalesce(current_setting('lockstep.cluster', true), ''), 'UTF8')) FOR 8), 'hex')
$$;

-- Every mutation's first answer, for 30 days: the largest table by far, in the order of columns that takes least room. One
-- table, purged in steps (decision 0040). No foreign key: the head row's lock guards it, and four of them on the hot tables
-- cost 40 % of the writes.
CREATE TABLE mutations (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    device_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seq bigint,
    version bigint,
    -- The first 16 bytes of the SHA-256 of what was asked.
    fingerprint bytea NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    document json,
    problem json,
    output json,
    CONSTRAINT mutations_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT mutations_status CHECK (status IN ('applied', 'conflict', 'rejected')),
    CONSTRAINT mutations_seq CHECK (seq >= 1)
);

CREATE UNIQUE INDEX mutations_seq_unique ON mutations (user_id, device_id, seq) WHERE seq IS NOT NULL;

CREATE TABLE sync_conflicts (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    args json NOT NULL,
    lost_value json,
    collection text NOT NULL,
    document_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT sync_conflicts_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT sync_conflicts_head FOREIGN KEY (user_id) REFERENCES sync_heads (user_id) ON DELETE CASCADE
);

CREATE INDEX sync_conflicts_age ON sync_conflicts (at);
CREATE INDEX sync_conflicts_newest ON sync_conflicts (user_id, at, id);

-- RFC 3339 with milliseconds, rounded down, as every time on the wire.
CREATE FUNCTION wire_time(p_time timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(date_trunc('milliseconds', p_time AT TIME ZONE 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
