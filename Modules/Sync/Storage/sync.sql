-- What one account may make the server keep of each kind, and what is refused beyond it as
-- storage_full: docs/decisions/0029.
CREATE FUNCTION storage_limit(p_what text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_what
        -- Written by the loader of the rules from what the features register.
        -- <a case for each limit>
        ELSE 0
    END
$$;

-- A document that a mutation changed, as it is at that version; body null: deleted.
CREATE TYPE document AS (collection text, id text, version bigint, body json);

-- A mutation as a feature's function is given it. at: a moment behind the lock, which is when it happens. base_version:
-- the version of the document that the client knew (0: none), null: it does not care. match: If-Match, any of these, -1
-- for `*`. age_ms: how long ago the client decided.
CREATE TYPE mutation AS (
    user_id uuid, device_id uuid, id uuid, name text, args json, base_version bigint, match bigint[], age_ms bigint,
    at timestamptz
);

-- What becomes of a mutation. status is null while it is undecided; besides applied, conflict and
-- rejected, which are kept, it can be gone (nobody who may ask), reused (the id belongs to another
-- request), forgotten (older than what is kept) or full (problem says of what: {what, limit}), which
-- are not, and forked (the device's seq is another mutation's), which `mutate` keeps as rejected.
-- version: of the document after it, or as a conflict found it. document: that one, as {collection,
-- id, value, version}. output: the body that REST answers with. head > previous: it changed documents,
-- and changed holds them. shared: the shared sequence's number, where it changed what all users share.
CREATE TYPE mutation_result AS (
    status text, version bigint, previous bigint, head bigint, replayed boolean,
    document json, problem json, output json, changed document[], shared bigint
);

-- The one way in for every change that somebody asks for: who asks, the lock, the answer that may
-- be there, the feature's function, the answer kept. p_refusal: a problem that was known before
-- the database was asked, and is kept like any other answer. What no device sent (all zeros) is
-- whoever runs the server. Order of locks: the user's head, then the shared one, then rows.
CREATE FUNCTION mutate(
    p_session uuid, p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_args json,
    p_base bigint, p_match bigint[], p_age_ms bigint, p_refusal json
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    m mutation;
    r mutation_result;
BEGIN
    r := mutation_begin(p_session, p_user, p_device, p_id, p_seq, p_fingerprint);
    -- Who waited for the lock is asked once more.
    IF clock_timestamp() > statement_timestamp() + interval '5 milliseconds'
        AND NOT mutation_allowed(p_session, p_user, p_device) THEN
        r.status := 'gone';
        RETURN r;
    ELSIF r.status = 'forked' THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'device_forked');
        p_seq := NULL;
    ELSIF r.status IS NOT NULL THEN
        RETURN r;
    ELSIF p_refusal IS NOT NULL THEN
        r.status := 'rejected';
        r.problem := p_refusal;
    ELSE
        m := ROW(p_user, p_device, p_id, p_name, p_args, p_base, p_match, p_age_ms, clock_timestamp())::mutation;
        CASE p_name
        -- Written by the loader of the rules, as WHEN 'focus.start' THEN r := focus_start(m, r);
        -- <a case for each mutation>
        END CASE;
    END IF;
    IF r.status NOT IN ('applied', 'conflict', 'rejected') THEN
        RETURN r;
    END IF;
    -- An answer takes what it says, and 300 bytes for its row and places in indexes, from a room that empties with time
    -- (decision 0029).
    UPDATE sync_heads SET version = r.head, oldest_answer_at = coalesce(oldest_answer_at, clock_timestamp()),
        answers_room_empty_at = greatest(answers_room_empty_at, clock_timestamp())
            + (300 + coalesce(pg_column_size(r.document), 0) + coalesce(pg_column_size(r.problem), 0)
                + coalesce(pg_column_size(r.output), 0)) * (interval '720 hours' / storage_limit('answers'))
    WHERE user_id = p_user;
    INSERT INTO mutations
        (user_id, id, device_id, seq, version, fingerprint, name, status, document, problem, output)
    VALUES (p_user, p_id, p_device, p_seq, r.version, p_fingerprint, p_name, r.status, r.document, r.problem, r.output);
    RETURN r;
END
$$;

-- Several that were pushed, in one transaction, one after the other; each sees what those before it did. If one raises an error
-- all are undone, and the server asks for each by itself.
CREATE FUNCTION mutate_each(
    p_session uuid, p_user uuid, p_device uuid, p_ids uuid[], p_seqs bigint[], p_names text[], p_fingerprints bytea[],
    p_args json[], p_bases bigint[], p_ages_ms bigint[], p_refusals json[]
) RETURNS SETOF mutation_result LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_ids) LOOP
        RETURN NEXT mutate(p_session, p_user, p_device, p_ids[i], p_seqs[i], p_names[i], p_fingerprints[i], p_args[i],
            p_bases[i], NULL, p_ages_ms[i], p_refusals[i]);
    END LOOP;
END
$$;

-- Whether this session may ask. What no device sent is whoever runs the server.
CREATE FUNCTION mutation_allowed(p_session uuid, p_user uuid, p_device uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN p_device = '00000000-0000-0000-0000-000000000000'
        OR EXISTS (SELECT FROM asking a WHERE a.user_id = p_user AND a.session = p_session);
END
$$;

-- Locks, and looks for what was answered before: status is null where the mutation is new and there
-- is room for its answer.
CREATE FUNCTION mutation_begin(
    p_session uuid, p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_fingerprint bytea
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    r mutation_result;
    kept_fingerprint bytea;
    full_until timestamptz;
BEGIN
    r.replayed := false;
    -- The lock first, alone: what decides must see what the one before it committed. And only for who may ask.
    SELECT h.version, h.version, h.answers_room_empty_at - interval '720 hours' INTO r.previous, r.head, full_until
    FROM sync_heads h WHERE h.user_id = p_user AND (p_device = nobody
        OR EXISTS (SELECT FROM asking a WHERE a.user_id = p_user AND a.session = p_session)) FOR NO KEY UPDATE OF h;
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
    -- Only what would be new: an answer is given as long as it is kept.
    IF full_until > clock_timestamp() AND r.status IS DISTINCT FROM 'forgotten'
        AND p_device <> nobody THEN
        r.status := 'full';
        r.problem := json_build_object('what', 'answers', 'limit', storage_limit('answers'),
            'retry_after_seconds', ceil(extract(epoch FROM full_until - clock_timestamp()))::bigint);
    END IF;
    RETURN r;
END
$$;

-- There is no room for what this one would make. Before it made anything: nothing of it is kept, and no answer.
CREATE FUNCTION mutation_full(r mutation_result, p_what text) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.status := 'full';
    r.problem := json_build_object('what', p_what, 'limit', storage_limit(p_what));
    RETURN r;
END
$$;

-- The mutation is refused, by a code and what belongs to it. Nothing of it was done yet.
CREATE FUNCTION mutation_refuse(r mutation_result, p_problem json) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.status := 'rejected';
    r.problem := p_problem;
    RETURN r;
END
$$;

-- Keeps what a change lost; of a user's the newest 1,000.
CREATE FUNCTION conflict_keep(m mutation, p_args json, p_lost_value json, p_collection text, p_document_id text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sync_conflicts (user_id, id, name, args, lost_value, collection, document_id, at)
    VALUES (m.user_id, m.id, m.name, p_args, p_lost_value, p_collection, p_document_id, m.at);
    DELETE FROM sync_conflicts WHERE user_id = m.user_id AND (at, id) <= (
        SELECT at, id FROM sync_conflicts WHERE user_id = m.user_id ORDER BY at DESC, id DESC OFFSET 1000 LIMIT 1);
END
$$;

-- A step of purging answers (a Purge of FeatureViews.swift), which remembers how far each device had counted. The last
-- step also says how old the rest can be.
CREATE FUNCTION mutations_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    ids := ARRAY(SELECT id FROM mutations WHERE user_id = p_user
        AND id >= coalesce(p_from, '00000000-0000-0000-0000-000000000000')::uuid ORDER BY id LIMIT p_rows + 1);
    next_from := ids[p_rows + 1];
    WITH gone AS (
        DELETE FROM mutations
        WHERE user_id = p_user AND id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))] AND created_at < p_before
        RETURNING device_id, seq
    ), counted AS (
        UPDATE devices d SET purged_seq = greatest(d.purged_seq, g.seq)
        FROM (SELECT device_id, max(seq) AS seq FROM gone WHERE seq IS NOT NULL GROUP BY device_id) g
        WHERE d.user_id = p_user AND d.id = g.device_id
    )
    SELECT count(*) INTO purged FROM gone;
    IF next_from IS NULL THEN
        -- Whether any is left is known only where one step saw them all: to look would pass by all
        -- that earlier ones deleted.
        UPDATE sync_heads SET oldest_answer_at = CASE WHEN p_from IS NOT NULL OR purged < cardinality(ids)
            THEN greatest(oldest_answer_at, p_before) END
        WHERE user_id = p_user;
    END IF;
END
$$;

-- A step of purging conflicts (a Purge of FeatureViews.swift).
CREATE FUNCTION conflicts_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    ids := ARRAY(SELECT id FROM sync_conflicts WHERE user_id = p_user
        AND id >= coalesce(p_from, '00000000-0000-0000-0000-000000000000')::uuid ORDER BY id LIMIT p_rows + 1);
    next_from := ids[p_rows + 1];
    DELETE FROM sync_conflicts
    WHERE user_id = p_user AND id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))] AND at < p_before;
    GET DIAGNOSTICS purged = ROW_COUNT;
END
$$;

-- What of these may be forgotten, and since when it stands there.
CREATE VIEW mutations_purgeable AS SELECT h.user_id, h.oldest_answer_at AS since FROM sync_heads h;

CREATE VIEW conflicts_purgeable AS SELECT c.user_id, c.at AS since FROM sync_conflicts c;

-- What became of each mutation, as long as its answer is kept.
CREATE VIEW mutation_fates AS SELECT m.user_id, m.id, m.name, m.status, m.created_at FROM mutations m;

-- What each account's answers take of their room, in bytes: it empties with time.
CREATE VIEW answers_room AS
    SELECT (extract(epoch FROM h.answers_room_empty_at - clock_timestamp())
        * storage_limit('answers') / extract(epoch FROM interval '720 hours'))::bigint AS amount
    FROM sync_heads h WHERE h.answers_room_empty_at > clock_timestamp();
