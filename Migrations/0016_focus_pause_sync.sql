-- Whether a session is paused, since when, and when it last went on: one row a session.
CREATE TABLE focus_pause_state (
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    is_paused boolean NOT NULL DEFAULT false,
    paused_at timestamptz,
    resumed_at timestamptz,
    CONSTRAINT focus_pause_state_pkey PRIMARY KEY (user_id, session_id),
    CONSTRAINT focus_pause_state_session FOREIGN KEY (user_id, session_id)
        REFERENCES focus_sessions (user_id, id) ON DELETE CASCADE,
    CONSTRAINT focus_pause_state_since CHECK (NOT is_paused OR paused_at IS NOT NULL)
);

CREATE INDEX focus_pause_state_due ON focus_pause_state (paused_at) WHERE is_paused;

-- Servers say themselves when a session will be over at another time. For whoever else moves one, by hand or in a restore of
-- some rows, this does: a word on the bus (docs/decisions/0012), upon which every clockwork looks again.
CREATE FUNCTION focus_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lockstep', gen_random_uuid() || ' u' || NEW.user_id || ':0');
    RETURN NULL;
END
$$;

CREATE TRIGGER focus_sessions_moved AFTER INSERT OR UPDATE OF status, ends_at ON focus_sessions FOR EACH ROW
WHEN (current_setting('application_name') <> 'lockstep' AND NEW.status = 'active') EXECUTE FUNCTION focus_moved();
CREATE TRIGGER focus_pause_state_moved AFTER INSERT OR UPDATE OF is_paused, paused_at ON focus_pause_state FOR EACH ROW
WHEN (current_setting('application_name') <> 'lockstep' AND NEW.is_paused) EXECUTE FUNCTION focus_moved();

-- A session as clients see it. p_now: null in documents, where nothing may change with time alone; then an active session's
-- remaining_seconds is null.
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

-- The document `focus/active`: the live session, or null since the last one ended. Where one was replaced, the old and the
-- new one carry the same version, and the live one counts.
CREATE VIEW focus_documents AS
SELECT h.user_id, 'active'::text AS id,
    CASE WHEN s.status IN ('active', 'paused') THEN focus_body(h.user_id, s.session_id, NULL) END AS value,
    s.version, s.session_id, s.status, s.device_id, s.foreign_version
FROM sync_heads h CROSS JOIN LATERAL (
    SELECT f.id AS session_id, f.status, f.version, f.device_id, f.foreign_version
    FROM focus_sessions f WHERE f.user_id = h.user_id
    ORDER BY f.version DESC, f.status IN ('active', 'paused') DESC LIMIT 1
) s;

-- The seam to what a completed session earns, in the same transaction. It may append documents to r.changed at r.head,
-- which is the new head already. Here nothing is earned; the market puts its own in place.
CREATE FUNCTION focus_completed(p_user uuid, p_session uuid, p_coins bigint, p_at timestamptz, r mutation_result)
RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    RETURN r;
END
$$;

-- Ends the session with what was left of it. p_device: null for the clockwork; p_completed_at: only if it is completed.
-- p_remaining is held to what can be, for a clock may have been set back meanwhile.
CREATE FUNCTION focus_end(
    p_user uuid, p_device uuid, one focus_sessions, p_status text, p_remaining numeric, p_completed_at timestamptz,
    p_coins bigint, r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.head := r.previous + 1;
    UPDATE focus_sessions
    SET status = p_status, remaining_seconds = greatest(0, least(duration_seconds, p_remaining)),
        completed_at = p_completed_at, coins_awarded = p_coins, version = r.head, device_id = p_device,
        foreign_version = CASE WHEN device_id IS NOT DISTINCT FROM p_device THEN foreign_version ELSE version END
    WHERE user_id = p_user AND id = one.id;
    UPDATE focus_pause_state SET is_paused = false
    WHERE user_id = p_user AND session_id = one.id AND is_paused;
    RETURN r;
END
$$;

-- Completes the session at p_at, and pays: 10 coins for 1,500 s of focus, pro rata and rounded down.
CREATE FUNCTION focus_complete(
    p_user uuid, p_device uuid, one focus_sessions, p_at timestamptz, r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    coins bigint := CASE WHEN one.mode = 'focus' THEN one.duration_seconds * 10 / 1500 ELSE 0 END;
BEGIN
    r := focus_end(p_user, p_device, one, 'completed', 0, p_at, coins, r);
    RETURN focus_completed(p_user, one.id, coins, p_at, r);
END
$$;

-- What is due is done at its due time, whoever comes first: a session whose time is up is completed, one that was paused
-- for p_expiry seconds expires.
CREATE FUNCTION focus_settle(p_user uuid, p_expiry integer, p_now timestamptz, r mutation_result)
RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    one focus_sessions;
BEGIN
    one := (SELECT s FROM focus_sessions s WHERE s.user_id = p_user AND s.status IN ('active', 'paused'));
    IF one.status = 'active' AND one.ends_at <= p_now THEN
        RETURN focus_complete(p_user, NULL, one, one.ends_at, r);
    ELSIF one.status = 'paused' AND EXISTS (
        SELECT FROM focus_pause_state p WHERE p.user_id = p_user AND p.session_id = one.id
        AND p.paused_at <= p_now - make_interval(secs => p_expiry))
    THEN
        RETURN focus_end(p_user, NULL, one, 'expired', one.remaining_seconds, NULL, 0, r);
    END IF;
    RETURN r;
END
$$;

-- Appends the document `focus/active` to what changed.
CREATE FUNCTION focus_tell(p_user uuid, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.changed := r.changed || ARRAY['focus', 'active',
        (SELECT d.value::text FROM focus_documents d WHERE d.user_id = p_user)];
    RETURN r;
END
$$;

-- The clockwork's part: settles one user whose session may be due. Looks before it takes the lock, for another process
-- may have been first.
CREATE FUNCTION focus_tick(p_user uuid, p_expiry integer) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
BEGIN
    r.status := 'applied';
    r.replayed := false;
    IF NOT EXISTS (
        SELECT FROM focus_sessions s LEFT JOIN focus_pause_state p ON p.user_id = s.user_id AND p.session_id = s.id
        WHERE s.user_id = p_user AND (s.status = 'active' AND s.ends_at <= clock_timestamp()
            OR s.status = 'paused' AND p.paused_at <= clock_timestamp() - make_interval(secs => p_expiry)))
    THEN
        RETURN r;
    END IF;
    SELECT version, version INTO r.previous, r.head FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN r;
    END IF;
    r := focus_settle(p_user, p_expiry, clock_timestamp(), r);
    IF r.head > r.previous THEN
        r := focus_tell(p_user, r);
        UPDATE sync_heads SET version = r.head WHERE user_id = p_user;
    END IF;
    RETURN r;
END
$$;

-- focus.start. How long, if it is not said: the setting `<mode>.duration_seconds` where it is a length at all, else 1,500,
-- 300 or 900 s.
CREATE FUNCTION focus_start(
    p_user uuid, p_device uuid, p_id uuid, p_mode text, p_duration integer, p_title text, p_replace boolean,
    live focus_sessions, p_now timestamptz, r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    wanted numeric := p_duration;
BEGIN
    IF live.id IS NOT NULL AND NOT p_replace THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'session_live', 'session', focus_body(p_user, live.id, p_now));
        RETURN r;
    ELSIF live.id IS NOT NULL THEN
        r := focus_end(p_user, p_device, live, 'abandoned', coalesce(
            live.remaining_seconds, extract(epoch FROM live.ends_at - p_now)), NULL, 0, r);
    END IF;
    IF wanted IS NULL THEN
        SELECT value::text::numeric INTO wanted FROM user_settings
        WHERE user_id = p_user AND key = p_mode || '.duration_seconds' AND value::text ~ '^[0-9]{1,5}$';
        IF wanted IS NULL OR wanted NOT BETWEEN 1 AND 14400 THEN
            wanted := CASE p_mode WHEN 'focus' THEN 1500 WHEN 'break' THEN 300 ELSE 900 END;
        END IF;
    END IF;
    r.head := r.previous + 1;
    -- Started knowingly over whatever was there: what counts as another's writing begins here.
    INSERT INTO focus_sessions (user_id, id, mode, status, duration_seconds, started_at, ends_at, task_title, version, device_id)
    VALUES (p_user, p_id, p_mode, 'active', wanted, p_now, p_now + make_interval(secs => wanted::double precision),
        p_title, r.head, p_device);
    INSERT INTO focus_pause_state (user_id, session_id) VALUES (p_user, p_id);
    RETURN r;
END
$$;

-- focus.pause and focus.resume, p_age_ms ago, but not before the session's last transition.
CREATE FUNCTION focus_turn(
    p_user uuid, p_device uuid, p_pause boolean, p_age_ms bigint, live focus_sessions, p_now timestamptz,
    r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    p focus_pause_state;
    at timestamptz := p_now - make_interval(secs => least(coalesce(p_age_ms, 0), 100000000000) / 1000.0);
BEGIN
    IF live.id IS NULL THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'no_session');
        RETURN r;
    ELSIF (live.status = 'active') <> p_pause THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', CASE WHEN p_pause THEN 'not_active' ELSE 'not_paused' END,
            'session', focus_body(p_user, live.id, p_now));
        RETURN r;
    END IF;
    r.head := r.previous + 1;
    p := (SELECT s FROM focus_pause_state s WHERE s.user_id = p_user AND s.session_id = live.id);
    IF p_pause THEN
        at := greatest(live.started_at, p.resumed_at, least(at, p_now));
        UPDATE focus_sessions SET status = 'paused', ends_at = NULL, pause_count = pause_count + 1,
            remaining_seconds = extract(epoch FROM live.ends_at - at)
        WHERE user_id = p_user AND id = live.id;
        UPDATE focus_pause_state SET is_paused = true, paused_at = at WHERE user_id = p_user AND session_id = live.id;
    ELSE
        at := greatest(p.paused_at, least(at, p_now));
        UPDATE focus_sessions SET status = 'active', remaining_seconds = NULL,
            ends_at = at + make_interval(secs => live.remaining_seconds::double precision),
            paused_seconds = paused_seconds + extract(epoch FROM at - p.paused_at)
        WHERE user_id = p_user AND id = live.id;
        UPDATE focus_pause_state SET is_paused = false, resumed_at = at WHERE user_id = p_user AND session_id = live.id;
    END IF;
    UPDATE focus_sessions SET version = r.head, device_id = p_device,
        foreign_version = CASE WHEN device_id IS NOT DISTINCT FROM p_device THEN foreign_version ELSE version END
    WHERE user_id = p_user AND id = live.id;
    RETURN r;
END
$$;

-- focus.complete and focus.abandon. Completing is possible from 2 s before the end, and again once it is completed.
CREATE FUNCTION focus_stop(
    p_user uuid, p_device uuid, p_complete boolean, one focus_sessions, p_now timestamptz, r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    remaining numeric := coalesce(one.remaining_seconds, extract(epoch FROM one.ends_at - p_now));
BEGIN
    IF one.status NOT IN ('active', 'paused') THEN
        IF NOT (p_complete AND one.status = 'completed') THEN
            r.status := 'rejected';
            r.problem := json_build_object('code', 'already_ended', 'session', focus_body(p_user, one.id, p_now));
        END IF;
        RETURN r;
    ELSIF NOT p_complete THEN
        RETURN focus_end(p_user, p_device, one, 'abandoned', remaining, NULL, 0, r);
    ELSIF remaining > 2 THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'too_early', 'remaining_seconds', ceil(remaining)::bigint);
        RETURN r;
    END IF;
    RETURN focus_complete(p_user, p_device, one, p_now, r);
END
$$;

-- Carries out focus.start, .pause, .resume, .complete and .abandon in one transaction and one round trip: settles what was
-- due, judges, does it, and settles again what that made due. p_session: whose, null where it is the live one. p_base: the
-- version of `focus/active` that the client knew (0: none), null: it does not care. p_match: If-Match, -1 for `*`.
CREATE FUNCTION focus_apply(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_session uuid,
    p_mode text, p_duration integer, p_title text, p_replace boolean, p_base bigint, p_match bigint, p_age_ms bigint,
    p_expiry integer
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    now timestamptz;
    one focus_sessions;
    d focus_documents;
    stale boolean;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    IF p_name = 'focus.start' AND EXISTS (SELECT FROM focus_sessions WHERE user_id = p_user AND id = p_id) THEN
        -- The answer under this id was forgotten after its time, what it made was not.
        r.status := 'reused';
        RETURN r;
    END IF;
    r.status := 'applied';
    now := clock_timestamp();
    r := focus_settle(p_user, p_expiry, now, r);
    d := (SELECT v FROM focus_documents v WHERE v.user_id = p_user);
    one := (SELECT s FROM focus_sessions s WHERE s.user_id = p_user
        AND s.id = coalesce(p_session, CASE WHEN d.value IS NOT NULL THEN d.session_id END));
    stale := p_base IS NOT NULL
        AND CASE WHEN d.device_id = p_device THEN d.foreign_version ELSE d.version END > p_base;

    IF p_session IS NOT NULL AND one.id IS NULL THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'not_found');
    ELSIF p_match IS NOT NULL AND (one.id IS NULL OR p_match NOT IN (-1, one.version)) THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'version_mismatch', 'current', focus_body(p_user, one.id, now));
    -- Who starts where nothing is live, and who completes what is completed, has lost nothing.
    ELSIF stale AND NOT (p_name = 'focus.start' AND d.value IS NULL)
        AND NOT (p_name = 'focus.complete' AND one.status = 'completed')
    THEN
        r.status := 'conflict';
        INSERT INTO sync_conflicts (user_id, id, name, args, lost_value, collection, document_id, at)
        VALUES (p_user, p_id, p_name,
            CASE p_name WHEN 'focus.start' THEN json_build_object('mode', p_mode, 'duration_seconds', p_duration,
                'task_title', p_title, 'replace', p_replace) ELSE json_build_object('id', p_session) END,
            json_build_object('status', CASE p_name WHEN 'focus.pause' THEN 'paused' WHEN 'focus.complete' THEN 'completed'
                WHEN 'focus.abandon' THEN 'abandoned' ELSE 'active' END), 'focus', 'active', now);
    ELSIF p_name = 'focus.start' THEN
        r := focus_start(p_user, p_device, p_id, p_mode, p_duration, p_title, p_replace, one, now, r);
        p_session := p_id;
    ELSIF p_name IN ('focus.complete', 'focus.abandon') THEN
        r := focus_stop(p_user, p_device, p_name = 'focus.complete', one, now, r);
    ELSIF p_session IS NOT NULL AND one.status NOT IN ('active', 'paused') THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'already_ended', 'session', focus_body(p_user, one.id, now));
    ELSE
        p_session := one.id;
        r := focus_turn(p_user, p_device, p_name = 'focus.pause', p_age_ms, one, now, r);
        -- Moved back in time it may be over by now.
        r := focus_settle(p_user, p_expiry, now, r);
    END IF;

    IF r.head > r.previous THEN
        r := focus_tell(p_user, r);
    END IF;
    IF r.status <> 'rejected' THEN
        d := (SELECT v FROM focus_documents v WHERE v.user_id = p_user);
        r.version := d.version;
        r.document := json_build_object('collection', 'focus', 'id', 'active', 'value', d.value, 'version', d.version);
    END IF;
    IF r.status = 'applied' THEN
        SELECT s.version, focus_body(p_user, p_session, now) INTO r.version, r.output
        FROM focus_sessions s WHERE s.user_id = p_user AND s.id = p_session;
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;
