-- A session as clients see it. p_now: null in documents, where nothing may change with time alone;
-- then an active session's remaining_seconds is null.
CREATE FUNCTION focus_body(p_user uuid, p_id uuid, p_now timestamptz) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', s.id, 'mode', s.mode, 'status', s.status, 'duration_seconds', s.duration_seconds,
        'started_at', wire_time(s.started_at), 'ends_at', wire_time(s.ends_at),
        'paused_at', CASE WHEN p.is_paused THEN wire_time(p.paused_at) END,
        'remaining_seconds', CASE WHEN s.status <> 'active' THEN ceil(s.remaining_seconds)::bigint
            WHEN p_now IS NOT NULL THEN greatest(0, ceil(extract(epoch FROM s.ends_at - p_now)))::bigint END,
        'pause_count', s.pause_count, 'paused_seconds', floor(s.paused_seconds)::bigint,
        'task_title', s.task_title, 'coins_awarded', s.coins_awarded, 'completed_at', wire_time(s.completed_at),
        'version', s.version)
    FROM focus_sessions s LEFT JOIN focus_pause_state p ON p.user_id = s.user_id AND p.session_id = s.id
    WHERE s.user_id = p_user AND s.id = p_id
$$;

-- The document `focus/active`: the live session, or null since the last one ended. Where one was replaced, the old and
-- the new one carry the same version, and the live one counts.
CREATE VIEW focus_documents AS
SELECT h.user_id, 'active'::text AS id,
    CASE WHEN s.status IN ('active', 'paused') THEN focus_body(h.user_id, s.session_id, NULL) END AS value,
    s.version, s.session_id, s.status, s.device_id, s.other_device_version
FROM sync_heads h CROSS JOIN LATERAL (
    SELECT f.id AS session_id, f.status, f.version, f.device_id, f.other_device_version
    FROM focus_sessions f WHERE f.user_id = h.user_id
    ORDER BY f.version DESC, f.status IN ('active', 'paused') DESC LIMIT 1
) s;

-- A session that ends: how, with what is left of it, and at which version of its user. completed_at: only if it is completed;
-- device_id: null for the scheduler; counts: whether it counts for rewards.
CREATE TYPE focus_ending AS (
    user_id uuid, session_id uuid, status text, remaining numeric, completed_at timestamptz, coins bigint, counts boolean,
    version bigint, device_id uuid
);

-- A document that changed with what ends, of one of several users.
CREATE TYPE focus_consequence AS (user_id uuid, collection text, id text, version bigint, body json);

-- What a completed session is worth: 10 coins for 1,500 s of focus, pro rata and rounded down.
CREATE FUNCTION focus_worth(p_mode text, duration_seconds bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_mode = 'focus' THEN duration_seconds * 10 / 1500 ELSE 0 END
$$;

-- How this session ends for that device (null: the scheduler); p_at: when, if it is completed.
CREATE FUNCTION focus_ending_of(
    one focus_sessions, p_device uuid, p_status text, p_remaining numeric, p_at timestamptz, p_version bigint
) RETURNS focus_ending LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(one.user_id, one.id, p_status, p_remaining, p_at,
        CASE p_status WHEN 'completed' THEN focus_worth(one.mode, one.duration_seconds) ELSE 0 END,
        p_status = 'completed' AND one.mode = 'focus', p_version, p_device)::focus_ending
$$;

-- Ends these sessions, each of another user whose head is locked, and pays for what is completed. Says what else changed
-- thereby. What is left is held to what can be, for a clock may have been set back meanwhile.
-- Here and below: each of a few users is looked up by an index, whatever PostgreSQL knows of how large a table has become.
CREATE FUNCTION focus_end(p_endings focus_ending[]) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    UPDATE focus_sessions AS s
    SET status = e.status, remaining_seconds = greatest(0, least(s.duration_seconds, e.remaining)),
        completed_at = e.completed_at, coins_awarded = e.coins, version = e.version, device_id = e.device_id,
        other_device_version =
            CASE WHEN s.device_id IS NOT DISTINCT FROM e.device_id THEN s.other_device_version ELSE s.version END
    FROM unnest(p_endings) AS e WHERE s.user_id = e.user_id AND s.id = e.session_id;
    -- Not by the index of what is paused, which would be read from one end to the other.
    UPDATE focus_pause_state AS p SET is_paused = false FROM unnest(p_endings) AS e
    WHERE p.user_id = e.user_id AND p.session_id = e.session_id AND p.is_paused IS DISTINCT FROM false;
    RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body FROM focus_completed(
        ARRAY(SELECT e FROM unnest(p_endings) AS e WHERE e.status = 'completed')) AS d;
END
$$;

-- The same of one, by a mutation.
CREATE FUNCTION focus_end_one(p_ending focus_ending, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.head := p_ending.version;
    r.changed := r.changed || ARRAY(
        SELECT ROW(d.collection, d.id, d.version, d.body)::document FROM focus_end(ARRAY[p_ending]) AS d);
    RETURN r;
END
$$;

-- What is due is done at its due time, whoever comes first: a session whose time is up is completed, one that was paused for
-- p_expiry seconds expires. Of these users, at most one each.
CREATE FUNCTION focus_due_endings(p_users uuid[], p_expiry integer, p_now timestamptz) RETURNS SETOF focus_ending
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
    SELECT e.user_id, e.session_id, e.status, e.remaining, e.completed_at, e.coins, e.counts, e.version, e.device_id
    FROM unnest(p_users) AS u (id) CROSS JOIN LATERAL (
        SELECT live FROM focus_sessions live
        WHERE live.user_id = u.id AND live.status IN ('active', 'paused') LIMIT 1) AS one (session)
    JOIN sync_heads h ON h.user_id = u.id
    LEFT JOIN focus_pause_state p ON p.user_id = u.id AND p.session_id = (one.session).id
    CROSS JOIN LATERAL focus_ending_of(one.session, NULL,
        CASE (one.session).status WHEN 'active' THEN 'completed' ELSE 'expired' END,
        coalesce((one.session).remaining_seconds, 0), (one.session).ends_at, h.version + 1) AS e
    WHERE (one.session).status = 'active' AND (one.session).ends_at <= p_now
        OR (one.session).status = 'paused' AND p.paused_at <= p_now - make_interval(secs => p_expiry);
END
$$;

-- How each mutation of a session begins: with what was due.
CREATE FUNCTION focus_complete_due(p_user uuid, p_expiry integer, p_now timestamptz, r mutation_result)
RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    due CONSTANT focus_ending := (SELECT e FROM focus_due_endings(ARRAY[p_user], p_expiry, p_now) AS e);
BEGIN
    IF due.user_id IS NOT NULL THEN
        RETURN focus_end_one(due, r);
    END IF;
    RETURN r;
END
$$;

-- Appends the document `focus/active` to what changed.
CREATE FUNCTION focus_tell(p_user uuid, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.changed := r.changed || ROW('focus', 'active', r.head,
        (SELECT d.value FROM focus_documents d WHERE d.user_id = p_user))::document;
    RETURN r;
END
$$;

-- The session that a mutation is about: the one that it names, else the live one.
CREATE FUNCTION focus_subject(m mutation) RETURNS focus_sessions LANGUAGE plpgsql AS $$
BEGIN
    IF m.args ->> 'id' IS NOT NULL THEN
        RETURN (SELECT s FROM focus_sessions s WHERE s.user_id = m.user_id AND s.id = (m.args ->> 'id')::uuid);
    END IF;
    RETURN (SELECT s FROM focus_sessions s WHERE s.user_id = m.user_id AND s.status IN ('active', 'paused'));
END
$$;

-- How every mutation of a session begins: completes what was due (paused sessions expire after args.expiry_seconds,
-- which the server adds), then refuses what is about no session, what comes with another If-Match, and what is stale.
CREATE FUNCTION focus_begin(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    one focus_sessions;
    d focus_documents;
BEGIN
    r := focus_complete_due(m.user_id, (m.args ->> 'expiry_seconds')::integer, m.at, r);
    one := focus_subject(m);
    IF m.args ->> 'id' IS NOT NULL AND one.id IS NULL THEN
        RETURN mutation_refuse(r, json_build_object('code', 'not_found'));
    ELSIF m.match IS NOT NULL AND (one.id IS NULL OR NOT m.match && ARRAY[-1, one.version]) THEN
        RETURN mutation_refuse(r, json_build_object(
            'code', 'version_mismatch', 'current', focus_body(m.user_id, one.id, m.at)));
    ELSIF m.base_version IS NOT NULL THEN
        d := (SELECT v FROM focus_documents v WHERE v.user_id = m.user_id);
        -- Who starts where nothing is live, and who completes what is completed, has lost nothing.
        IF (CASE WHEN d.device_id = m.device_id THEN d.other_device_version ELSE d.version END) > m.base_version
            AND NOT (m.name = 'focus.start' AND d.value IS NULL)
            AND NOT (m.name = 'focus.complete' AND one.status = 'completed')
        THEN
            r.status := 'conflict';
            PERFORM conflict_keep(m, focus_asked(m), json_build_object('status', CASE m.name
                WHEN 'focus.pause' THEN 'paused' WHEN 'focus.complete' THEN 'completed'
                WHEN 'focus.abandon' THEN 'abandoned' ELSE 'active' END), 'focus', 'active');
        END IF;
    END IF;
    RETURN r;
END
$$;

-- The arguments that the client gave.
CREATE FUNCTION focus_asked(m mutation) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT json_object_agg(key, value) FROM json_each(m.args) WHERE key <> 'expiry_seconds');
END
$$;

-- How every one of them ends: what the user's devices are told, and the answer, with the session
-- p_session if it was carried out.
CREATE FUNCTION focus_answer(m mutation, r mutation_result, p_session uuid) RETURNS mutation_result
LANGUAGE plpgsql AS $$
DECLARE
    d focus_documents;
BEGIN
    IF r.head > r.previous THEN
        r := focus_tell(m.user_id, r);
    END IF;
    IF r.status = 'rejected' THEN
        RETURN r;
    END IF;
    d := (SELECT v FROM focus_documents v WHERE v.user_id = m.user_id);
    r.version := d.version;
    r.document := json_build_object('collection', 'focus', 'id', 'active', 'value', d.value, 'version', d.version);
    IF r.status IS NULL THEN
        r.status := 'applied';
        SELECT s.version, focus_body(m.user_id, p_session, m.at) INTO r.version, r.output
        FROM focus_sessions s WHERE s.user_id = m.user_id AND s.id = p_session;
    END IF;
    RETURN r;
END
$$;

-- focus.start; the new session has the mutation's id.
CREATE FUNCTION focus_start(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    live focus_sessions;
    made bigint;
BEGIN
    IF EXISTS (SELECT FROM focus_sessions WHERE user_id = m.user_id AND id = m.id) THEN
        -- The answer under this id was forgotten after its time, what it made was not.
        r.status := 'reused';
        RETURN r;
    END IF;
    SELECT number INTO made FROM focus_sessions WHERE user_id = m.user_id ORDER BY version DESC, number DESC LIMIT 1;
    IF made >= storage_limit('focus_sessions') THEN
        RETURN mutation_full(r, 'focus_sessions');
    END IF;
    r := focus_begin(m, r);
    live := focus_subject(m);
    IF r.status IS NULL AND live.id IS NOT NULL THEN
        IF (m.args ->> 'replace')::boolean THEN
            r := focus_end_one(focus_ending_of(live, m.device_id, 'abandoned', coalesce(
                live.remaining_seconds, extract(epoch FROM live.ends_at - m.at)), NULL, r.previous + 1), r);
        ELSE
            r := mutation_refuse(r, json_build_object(
                'code', 'session_live', 'session', focus_body(m.user_id, live.id, m.at)));
        END IF;
    END IF;
    IF r.status IS NULL THEN
        r.head := r.previous + 1;
        PERFORM focus_create(m, r.head, coalesce(made, 0) + 1);
    END IF;
    RETURN focus_answer(m, r, m.id);
END
$$;

-- How long, if it is not said: the setting `<mode>.duration_seconds` where it is a length at all,
-- else 1,500, 300 or 900 s.
CREATE FUNCTION focus_create(m mutation, p_version bigint, p_number bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted_mode CONSTANT text := m.args ->> 'mode';
    wanted numeric := (m.args ->> 'duration_seconds')::numeric;
BEGIN
    IF wanted IS NULL THEN
        wanted := setting_number(m.user_id, wanted_mode || '.duration_seconds', 1, 14400);
    END IF;
    IF wanted IS NULL THEN
        wanted := CASE wanted_mode WHEN 'focus' THEN 1500 WHEN 'break' THEN 300 ELSE 900 END;
    END IF;
    -- Started knowingly over whatever was there: what counts as another's writing begins here.
    INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at, task_title, version,
        device_id, number)
    VALUES (m.user_id, m.id, wanted_mode, 'active', wanted, m.at,
        m.at + make_interval(secs => wanted::double precision), m.args ->> 'task_title', p_version, m.device_id,
        p_number);
    INSERT INTO focus_pause_state (user_id, session_id) VALUES (m.user_id, m.id);
END
$$;

CREATE FUNCTION focus_pause(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    RETURN focus_turn(m, r, true);
END
$$;

CREATE FUNCTION focus_resume(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    RETURN focus_turn(m, r, false);
END
$$;

-- focus.pause and focus.resume: when the client decided, but not before the session's last transition.
CREATE FUNCTION focus_turn(m mutation, r mutation_result, p_pause boolean) RETURNS mutation_result
LANGUAGE plpgsql AS $$
DECLARE
    one focus_sessions;
BEGIN
    r := focus_begin(m, r);
    one := focus_subject(m);
    IF r.status IS NULL THEN
        r.problem := CASE
            WHEN one.id IS NULL THEN json_build_object('code', 'no_session')
            WHEN one.status NOT IN ('active', 'paused') THEN
                json_build_object('code', 'already_ended', 'session', focus_body(m.user_id, one.id, m.at))
            WHEN (one.status = 'active') <> p_pause THEN
                json_build_object('code', CASE WHEN p_pause THEN 'not_active' ELSE 'not_paused' END,
                    'session', focus_body(m.user_id, one.id, m.at)) END;
        IF r.problem IS NOT NULL THEN
            r.status := 'rejected';
        ELSE
            r.head := r.previous + 1;
            PERFORM focus_move(m, one, p_pause, r.head);
            -- Moved back in time it may be over by now.
            r := focus_complete_due(m.user_id, (m.args ->> 'expiry_seconds')::integer, m.at, r);
        END IF;
    END IF;
    RETURN focus_answer(m, r, one.id);
END
$$;

CREATE FUNCTION focus_move(m mutation, one focus_sessions, p_pause boolean, p_version bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    p focus_pause_state;
    at timestamptz := least(m.at, m.at - make_interval(secs => least(coalesce(m.age_ms, 0), 100000000000) / 1000.0));
BEGIN
    p := (SELECT s FROM focus_pause_state s WHERE s.user_id = m.user_id AND s.session_id = one.id);
    IF p_pause THEN
        at := greatest(one.started_at, p.resumed_at, at);
        UPDATE focus_sessions SET status = 'paused', ends_at = NULL, pause_count = pause_count + 1,
            remaining_seconds = extract(epoch FROM one.ends_at - at)
        WHERE user_id = m.user_id AND id = one.id;
        UPDATE focus_pause_state SET is_paused = true, paused_at = at
        WHERE user_id = m.user_id AND session_id = one.id;
    ELSE
        at := greatest(p.paused_at, at);
        UPDATE focus_sessions SET status = 'active', remaining_seconds = NULL,
            ends_at = at + make_interval(secs => one.remaining_seconds::double precision),
            paused_seconds = paused_seconds + extract(epoch FROM at - p.paused_at)
        WHERE user_id = m.user_id AND id = one.id;
        UPDATE focus_pause_state SET is_paused = false, resumed_at = at
        WHERE user_id = m.user_id AND session_id = one.id;
    END IF;
    UPDATE focus_sessions SET version = p_version, device_id = m.device_id, other_device_version =
        CASE WHEN device_id IS NOT DISTINCT FROM m.device_id THEN other_device_version ELSE version END
    WHERE user_id = m.user_id AND id = one.id;
END
$$;

-- Possible from 2 s before the end, and again once it is completed.
CREATE FUNCTION focus_complete(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    one focus_sessions;
    remaining numeric;
BEGIN
    r := focus_begin(m, r);
    one := focus_subject(m);
    remaining := coalesce(one.remaining_seconds, extract(epoch FROM one.ends_at - m.at));
    IF r.status IS NULL AND one.status <> 'completed' THEN
        IF one.status NOT IN ('active', 'paused') THEN
            r := mutation_refuse(r, json_build_object(
                'code', 'already_ended', 'session', focus_body(m.user_id, one.id, m.at)));
        ELSIF remaining > 2 THEN
            r := mutation_refuse(r, json_build_object(
                'code', 'too_early', 'remaining_seconds', ceil(remaining)::bigint));
        ELSE
            r := focus_end_one(focus_ending_of(one, m.device_id, 'completed', 0, m.at, r.previous + 1), r);
        END IF;
    END IF;
    RETURN focus_answer(m, r, one.id);
END
$$;

CREATE FUNCTION focus_abandon(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    one focus_sessions;
BEGIN
    r := focus_begin(m, r);
    one := focus_subject(m);
    IF r.status IS NULL THEN
        IF one.status NOT IN ('active', 'paused') THEN
            r := mutation_refuse(r, json_build_object(
                'code', 'already_ended', 'session', focus_body(m.user_id, one.id, m.at)));
        ELSE
            r := focus_end_one(focus_ending_of(one, m.device_id, 'abandoned', coalesce(
                one.remaining_seconds, extract(epoch FROM one.ends_at - m.at)), NULL, r.previous + 1), r);
        END IF;
    END IF;
    RETURN focus_answer(m, r, one.id);
END
$$;
