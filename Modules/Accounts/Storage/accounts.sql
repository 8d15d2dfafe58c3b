-- The part of the users that this one is in, as their id says (UUIDv7: the 12 bits behind the version).
CREATE FUNCTION user_bucket(p_user uuid) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (get_byte(uuid_send(p_user), 6) & 15) << 8 | get_byte(uuid_send(p_user), 7)
$$;

-- Whether this database owns the user's bucket: what looks at many users passes over the others.
CREATE FUNCTION user_is_owned(p_user uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM owned_buckets o WHERE user_bucket(p_user) BETWEEN o.first AND o.last)
$$;

-- Who may ask: the sessions that hold, in a database that owns their user's bucket. A view and not a function, so that
-- it becomes part of the statement that asks.
CREATE VIEW asking AS SELECT s.user_id, s.id AS session, s.expires_at FROM sessions s WHERE s.expires_at > clock_timestamp()
    AND EXISTS (SELECT FROM owned_buckets o WHERE user_bucket(s.user_id) BETWEEN o.first AND o.last);

-- The sessions that hold, and until when.
CREATE VIEW live_sessions AS
    SELECT s.user_id, s.id, s.expires_at FROM sessions s WHERE s.expires_at > clock_timestamp();

-- For what concerns many users: who there are, who is leaving, and whether this database owns every bucket.
CREATE VIEW user_ids AS SELECT u.id FROM users u;

CREATE VIEW leaving_users AS SELECT e.id FROM account_erasures e;

CREATE VIEW bucket_ownership AS SELECT sum(o.last - o.first + 1) = 4096 AS every FROM owned_buckets o;

-- Opens a session on the user's device p_device, or on a new one, p_new, where they have
-- none by that id. p_checked: the stored hash that their password was checked against; no
-- row: the account has another one since, or is gone. They have 100 devices at most, and a
-- device 10 sessions: those that were idle longest give way, and left says that some did.
CREATE FUNCTION session_open(
    p_user uuid, p_checked text, p_device uuid, p_new uuid, p_name text, p_kind text, p_session uuid,
    p_token_hash bytea, p_days integer
) RETURNS TABLE (device uuid, expires timestamptz, given_way boolean) LANGUAGE plpgsql AS $$
BEGIN
    -- The lock first, alone: it waits for a change of the password that is under way, and then finds another one; and
    -- of two that sign in at once the second counts the first one's device.
    PERFORM FROM users WHERE id = p_user AND password_hash = p_checked FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    given_way := false;
    UPDATE devices SET name = p_name, kind = p_kind, last_seen_at = clock_timestamp()
    WHERE user_id = p_user AND id = p_device RETURNING id INTO device;
    IF NOT FOUND THEN
        device := p_new;
        INSERT INTO devices (user_id, id, name, kind) VALUES (p_user, device, p_name, p_kind);
        -- While a device is online its presence says when it was seen.
        DELETE FROM devices d WHERE d.user_id = p_user AND d.id IN (
            SELECT o.id FROM devices o WHERE o.user_id = p_user AND o.id <> device
            ORDER BY greatest(o.last_seen_at, (
                SELECT max(p.seen_at) FROM device_presence p WHERE p.user_id = p_user AND p.device_id = o.id
            )) DESC, o.created_at DESC, o.id OFFSET 99);
        given_way := FOUND;
    END IF;
    INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
    VALUES (p_user, p_session, device, p_token_hash, clock_timestamp() + make_interval(days => p_days))
    RETURNING expires_at INTO expires;
    DELETE FROM sessions s WHERE s.user_id = p_user AND s.id IN (
        SELECT o.id FROM sessions o WHERE o.user_id = p_user AND o.device_id = device AND o.id <> p_session
        ORDER BY o.expires_at DESC, o.created_at DESC, o.id OFFSET 9);
    given_way := given_way OR FOUND;
    RETURN NEXT;
END
$$;

-- A step of purging sessions that ended (a Purge of FeatureViews.swift).
CREATE FUNCTION sessions_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
BEGIN
    PERFORM FROM users WHERE id = p_user FOR NO KEY UPDATE;
    ids := ARRAY(SELECT id FROM sessions WHERE user_id = p_user
        AND id >= coalesce(p_from, '00000000-0000-0000-0000-000000000000')::uuid ORDER BY id LIMIT p_rows + 1);
    next_from := ids[p_rows + 1];
    DELETE FROM sessions
    WHERE user_id = p_user AND id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))] AND expires_at < p_before;
    GET DIAGNOSTICS purged = ROW_COUNT;
END
$$;

-- Gives the account another password, if it still has the one that was checked, and ends every session but one.
CREATE FUNCTION account_change_password(p_user uuid, p_session uuid, p_checked text, p_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    -- The lock first, alone: a sign-in with the old password waits for it and fails, or is seen below and ended.
    PERFORM FROM users WHERE id = p_user AND password_hash = p_checked FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE users SET password_hash = p_hash WHERE id = p_user;
    DELETE FROM sessions WHERE user_id = p_user AND id <> p_session;
    RETURN true;
END
$$;

CREATE VIEW sessions_purgeable AS SELECT s.user_id, s.expires_at AS since FROM sessions s;
