-- One row a user. Its lock orders the user's writers, so the order of versions is the order of commits. A user without
-- a row is gone: nothing more is written for him.
CREATE TABLE sync_heads (
    user_id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    -- Tombstones up to here may be purged: a cursor below it is reset.
    floor bigint NOT NULL DEFAULT 0,
    CONSTRAINT sync_heads_pkey PRIMARY KEY (user_id),
    CONSTRAINT sync_heads_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sync_heads_order CHECK (0 <= floor AND floor <= version)
);

-- The sequence of what all users share, and the random value that makes this database's epoch.
CREATE TABLE sync_shared (
    single boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    epoch_seed bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    CONSTRAINT sync_shared_pkey PRIMARY KEY (single),
    CONSTRAINT sync_shared_single CHECK (single),
    CONSTRAINT sync_shared_order CHECK (0 <= floor AND floor <= version)
);

INSERT INTO sync_shared DEFAULT VALUES;

-- What a cursor begins with. lockstep.cluster is the system identifier and timeline, set by each connection when it
-- opens; the user is part of it so that nobody's cursor is taken for another's.
CREATE FUNCTION sync_epoch(p_seed bytea, p_user uuid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT encode(substring(sha256(
        p_seed || uuid_send(p_user)
        || convert_to(coalesce(current_setting('lockstep.cluster', true), ''), 'UTF8')) FOR 8), 'hex')
$$;

-- Every mutation's first answer, for 30 days. No foreign key: the head row's lock guards it, and four of them on the hot
-- tables cost 40 % of the writes.
CREATE TABLE mutations (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    device_id uuid NOT NULL,
    seq bigint,
    name text NOT NULL,
    fingerprint bytea NOT NULL,
    status text NOT NULL,
    version bigint,
    document json,
    problem json,
    output json,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT mutations_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT mutations_status CHECK (status IN ('applied', 'conflict', 'rejected')),
    CONSTRAINT mutations_seq CHECK (seq >= 1)
);

CREATE UNIQUE INDEX mutations_seq_unique ON mutations (user_id, device_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX mutations_age ON mutations USING brin (created_at);

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

-- How every mutation begins and ends. status is null while it is undecided; besides the stored ones it can be
-- gone (no such account), reused (the id belongs to another request), forked (the device's seq is another mutation's)
-- or forgotten (older than what is kept). head > previous: it changed documents, and changed names them.
CREATE TYPE mutation_result AS (
    status text, version bigint, previous bigint, head bigint, replayed boolean,
    document json, problem json, output json, changed text[]
);

CREATE FUNCTION mutation_begin(p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_fingerprint bytea)
RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    kept_fingerprint bytea;
BEGIN
    r.replayed := false;
    -- The lock first, alone: what decides must see what the one before it committed.
    SELECT version, version INTO r.previous, r.head FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        r.status := 'gone';
        RETURN r;
    END IF;
    SELECT fingerprint, status, version, document, problem, output
    INTO kept_fingerprint, r.status, r.version, r.document, r.problem, r.output
    FROM mutations WHERE user_id = p_user AND id = p_id;
    IF FOUND THEN
        r.replayed := true;
        IF kept_fingerprint <> p_fingerprint THEN
            r.status := 'reused';
        END IF;
        RETURN r;
    END IF;
    IF p_seq IS NOT NULL THEN
        IF EXISTS (SELECT FROM mutations WHERE user_id = p_user AND device_id = p_device AND seq = p_seq) THEN
            r.status := 'forked';
        ELSIF EXISTS (SELECT FROM devices WHERE user_id = p_user AND id = p_device AND purged_seq >= p_seq) THEN
            r.status := 'forgotten';
            r.replayed := true;
        END IF;
    END IF;
    RETURN r;
END
$$;

CREATE FUNCTION mutation_finish(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, r mutation_result
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF r.head > r.previous THEN
        UPDATE sync_heads SET version = r.head WHERE user_id = p_user;
    END IF;
    INSERT INTO mutations
        (user_id, id, device_id, seq, name, fingerprint, status, version, document, problem, output)
    VALUES (p_user, p_id, p_device, p_seq, p_name, p_fingerprint, r.status, r.version, r.document, r.problem, r.output);
END
$$;

-- A refusal that was decided before the database was asked: kept like any other answer.
CREATE FUNCTION mutation_refuse(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_problem json
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NULL THEN
        r.status := 'rejected';
        r.problem := p_problem;
        PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    END IF;
    RETURN r;
END
$$;

-- RFC 3339 with milliseconds, rounded down, as every time on the wire.
CREATE FUNCTION wire_time(p_time timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(date_trunc('milliseconds', p_time AT TIME ZONE 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- Forgets answers older than p_before, and remembers how far each device had counted.
CREATE FUNCTION mutations_purge(p_user uuid, p_before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    purged bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    WITH gone AS (
        DELETE FROM mutations WHERE user_id = p_user AND created_at < p_before RETURNING device_id, seq
    ), counted AS (
        UPDATE devices d SET purged_seq = greatest(d.purged_seq, g.seq)
        FROM (SELECT device_id, max(seq) AS seq FROM gone WHERE seq IS NOT NULL GROUP BY device_id) g
        WHERE d.user_id = p_user AND d.id = g.device_id
    )
    SELECT count(*) INTO purged FROM gone;
    RETURN purged;
END
$$;
