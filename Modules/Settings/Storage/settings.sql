CREATE FUNCTION setting_document(p_key text, p_value json, p_version bigint) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT json_build_object('collection', 'settings', 'id', p_key, 'value', p_value, 'version', p_version)
$$;

CREATE FUNCTION setting_body(s user_settings) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'key', s.key, 'value', s.value, 'version', s.version, 'updated_at', wire_time(s.updated_at))
$$;

-- settings.set: `key` and `value`. A stale base version is a conflict where the value differs;
-- If-Match is held against the setting.
CREATE FUNCTION settings_set(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    wanted CONSTANT text := m.args ->> 'key';
    written CONSTANT json := m.args -> 'value';
    one user_settings;
BEGIN
    SELECT user_id, key, value, version, updated_at, device_id, other_device_version INTO one
    FROM user_settings WHERE user_id = m.user_id AND key = wanted;
    IF m.match IS NOT NULL AND (one.value IS NULL OR NOT m.match && ARRAY[-1, one.version]) THEN
        RETURN mutation_refuse(r, json_build_object(
            'code', 'version_mismatch', 'current', CASE WHEN one.value IS NOT NULL THEN setting_body(one) END));
    ELSIF m.base_version IS NOT NULL
        AND one.value::text IS DISTINCT FROM written::text
        -- Who knew of none and meets a deleted one has lost nothing.
        AND NOT (one.value IS NULL AND m.base_version = 0)
        -- Of what was deleted and purged since there is no row: another wrote it after any version that is known of it.
        AND (one.key IS NULL OR (
            CASE WHEN one.device_id = m.device_id THEN one.other_device_version ELSE one.version END) > m.base_version)
    THEN
        r.status := 'conflict';
        r.version := coalesce(one.version, 0);
        r.document := setting_document(wanted, one.value, r.version);
        PERFORM conflict_keep(m, m.args, written, 'settings', wanted);
        RETURN r;
    END IF;
    r.version := coalesce(one.version, 0);
    r := settings_write(m, r, ARRAY[wanted], ARRAY[written]);
    IF r.status = 'applied' THEN
        SELECT to_json(wire_time(s.updated_at)) INTO r.output FROM user_settings s
        WHERE s.user_id = m.user_id AND s.key = wanted AND s.value IS NOT NULL;
    END IF;
    RETURN r;
END
$$;

-- settings.delete: a `key`, and so no value.
CREATE FUNCTION settings_delete(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    RETURN settings_set(m, r);
END
$$;

-- settings.patch: values by their keys, all or none; null deletes. If-Match is held against the user's head.
CREATE FUNCTION settings_patch(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    keys text[];
    bodies json[];
BEGIN
    SELECT array_agg(key), array_agg(CASE WHEN value::text <> 'null' THEN value END) INTO keys, bodies
    FROM json_each(m.args);
    r := settings_write_all(m, r, keys, bodies);
    IF r.status = 'applied' THEN
        SELECT json_build_object('settings', coalesce(json_agg(json_build_object(
            'key', s.key, 'version', s.version, 'updated_at', wire_time(s.updated_at)) ORDER BY s.key COLLATE "C"),
            '[]'))
        INTO r.output FROM user_settings s
        WHERE s.user_id = m.user_id AND s.key = ANY (keys) AND s.value IS NOT NULL;
    END IF;
    RETURN r;
END
$$;

-- settings.clear: all that there are, in the same way.
CREATE FUNCTION settings_clear(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    keys text[];
BEGIN
    SELECT array_agg(key) INTO keys FROM user_settings WHERE user_id = m.user_id AND value IS NOT NULL;
    RETURN settings_write_all(m, r, keys, array_fill(NULL::json, ARRAY[coalesce(cardinality(keys), 0)]));
END
$$;

CREATE FUNCTION settings_write_all(m mutation, r mutation_result, p_keys text[], p_values json[])
RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    IF m.match IS NOT NULL AND NOT m.match && ARRAY[-1, r.head] THEN
        RETURN mutation_refuse(r, json_build_object(
            'code', 'version_mismatch', 'current', json_build_object('version', r.head)));
    END IF;
    r.version := r.head;
    RETURN settings_write(m, r, p_keys, p_values);
END
$$;

-- Writes what of this is not so already at the next version, or refuses it all. An
-- answer is kept without the values: they are the request's, which whoever asks
-- again sends again, and to keep them there too would take their room twice more.
CREATE FUNCTION settings_write(m mutation, r mutation_result, p_keys text[], p_values json[])
RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    keys text[];
    bodies json[];
    added bigint;
BEGIN
    SELECT array_agg(n.key), array_agg(n.value),
        count(*) FILTER (WHERE n.value IS NOT NULL AND s.value IS NULL) - count(*) FILTER (WHERE n.value IS NULL)
    INTO keys, bodies, added
    FROM unnest(p_keys, p_values) AS n (key, value)
    LEFT JOIN user_settings s ON s.user_id = m.user_id AND s.key = n.key
    WHERE s.value::text IS DISTINCT FROM n.value::text;
    r.status := 'applied';
    IF keys IS NULL THEN
        RETURN r;
    ELSIF added > 0 AND NOT settings_make_room(m.user_id, p_keys, added) THEN
        r.version := NULL;
        RETURN mutation_refuse(r, json_build_object('code', 'too_many_settings'));
    END IF;
    r.head := r.previous + 1;
    r.version := r.head;
    PERFORM setting_history_keep(m, keys);
    INSERT INTO user_settings AS s (user_id, key, value, version, updated_at, device_id)
    SELECT m.user_id, n.key, n.value, r.head, m.at, m.device_id FROM unnest(keys, bodies) AS n (key, value)
    ON CONFLICT ON CONSTRAINT user_settings_pkey DO UPDATE
    SET value = excluded.value, version = excluded.version, updated_at = excluded.updated_at,
        device_id = excluded.device_id,
        other_device_version =
            CASE WHEN s.device_id = excluded.device_id THEN s.other_device_version ELSE s.version END;
    r.changed := ARRAY(
        SELECT ('settings', n.key, r.head, n.value)::document FROM unnest(keys, bodies) AS n (key, value));
    RETURN r;
END
$$;

-- Whether there is room for so many settings more.
CREATE FUNCTION settings_make_room(p_user uuid, p_keys text[], p_added bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    live bigint;
    rows bigint;
BEGIN
    SELECT count(*) FILTER (WHERE value IS NOT NULL), count(*) INTO live, rows
    FROM user_settings WHERE user_id = p_user;
    IF live + p_added > 1000 THEN
        RETURN false;
    ELSIF rows + p_added > 2000 THEN
        PERFORM settings_forget(p_user, p_keys);
    END IF;
    RETURN true;
END
$$;

-- The values that are replaced or deleted now become former ones.
CREATE FUNCTION setting_history_keep(m mutation, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_setting_history (user_id, key, version, value, device_name, replaced_at)
    SELECT s.user_id, s.key, s.version, s.value, d.name, m.at
    FROM user_settings s LEFT JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
    WHERE s.user_id = m.user_id AND s.key = ANY (p_keys) AND s.value IS NOT NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM user_setting_history h
    USING unnest(p_keys) AS c (key)
    WHERE h.user_id = m.user_id AND h.key = c.key AND h.version <= (
        SELECT o.version FROM user_setting_history o WHERE o.user_id = m.user_id AND o.key = c.key
        ORDER BY o.version DESC OFFSET 20 LIMIT 1);
    -- To add them all up at each write would cost more than the write.
    IF random() < 1 / 64.0 THEN
        PERFORM setting_history_trim(m.user_id, 67108864);
    END IF;
END
$$;

-- Forgets all tombstones but the newest 500, and those of p_keys, before their time: of rows that are no settings a
-- user has 1,000 at most. The floor rises in the same transaction.
CREATE FUNCTION settings_forget(p_user uuid, p_keys text[]) RETURNS void LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM user_settings WHERE user_id = p_user AND value IS NULL AND key <> ALL (p_keys) AND version <= (
            SELECT version FROM user_settings WHERE user_id = p_user AND value IS NULL
            ORDER BY version DESC OFFSET 500 LIMIT 1)
        RETURNING key, version
    ), history AS (
        DELETE FROM user_setting_history h USING gone g WHERE h.user_id = p_user AND h.key = g.key
    )
    UPDATE sync_heads h SET floor = greatest(h.floor, g.version)
    FROM (SELECT max(version) AS version FROM gone) AS g WHERE h.user_id = p_user
$$;

-- Forgets a user's oldest former values where all of them take more than p_most bytes, down to three quarters of it.
CREATE FUNCTION setting_history_trim(p_user uuid, p_most bigint) RETURNS void LANGUAGE sql AS $$
    DELETE FROM user_setting_history h USING (
        SELECT key, version, sum(pg_column_size(value)) OVER (ORDER BY version DESC, key) AS bytes,
            sum(pg_column_size(value)) OVER () AS every
        FROM user_setting_history WHERE user_id = p_user
    ) AS f
    WHERE f.every > p_most AND f.bytes > p_most * 3 / 4
        AND h.user_id = p_user AND h.key = f.key AND h.version = f.version
$$;

-- A step of purging tombstones (a Purge of FeatureViews.swift), with their history; the floor rises
-- in the same transaction.
CREATE FUNCTION settings_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    keys text[];
    highest bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    keys := ARRAY(SELECT key FROM user_settings WHERE user_id = p_user AND key >= coalesce(p_from, '')
        ORDER BY key LIMIT p_rows + 1);
    next_from := keys[p_rows + 1];
    WITH gone AS (
        DELETE FROM user_settings
        WHERE user_id = p_user AND key BETWEEN keys[1] AND keys[least(p_rows, cardinality(keys))]
            AND value IS NULL AND updated_at < p_before
        RETURNING key, version
    ), history AS (
        DELETE FROM user_setting_history h USING gone g WHERE h.user_id = p_user AND h.key = g.key
    )
    SELECT count(*), max(version) INTO purged, highest FROM gone;
    IF purged > 0 THEN
        UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    END IF;
END
$$;

-- The user's time zone; UTC where the setting is missing or names one that this PostgreSQL does not know.
CREATE FUNCTION user_zone(p_user uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text;
BEGIN
    SELECT value #>> '{}' INTO zone FROM user_settings WHERE user_id = p_user AND key = 'time_zone';
    IF zone IS NULL OR zone = 'UTC' THEN
        RETURN 'UTC';
    END IF;
    PERFORM clock_timestamp() AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
END
$$;

-- A setting that is a whole number within these bounds; else null.
CREATE FUNCTION setting_number(p_user uuid, p_key text, p_least bigint, p_most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found bigint;
BEGIN
    SELECT value::text::bigint INTO found FROM user_settings
    WHERE user_id = p_user AND key = p_key AND value::text ~ '^[0-9]{1,15}$';
    RETURN CASE WHEN found BETWEEN p_least AND p_most THEN found END;
END
$$;

CREATE VIEW settings_documents AS SELECT s.user_id, s.key AS id, s.value, s.version FROM user_settings s;

CREATE VIEW settings_purgeable AS
    SELECT s.user_id, s.deleted_at AS since FROM user_settings s WHERE s.deleted_at IS NOT NULL;
