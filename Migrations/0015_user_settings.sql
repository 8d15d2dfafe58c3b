-- A setting's value is the canonical JSON text that the server wrote, kept letter for letter (json, not jsonb: jsonb would
-- write 1e308 as 309 digits into every answer); null is the tombstone of a deleted one.
CREATE TABLE user_settings (
    user_id uuid NOT NULL,
    key text NOT NULL,
    value json,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The device that wrote this version, and the highest version that another device wrote: what a conflict is.
    device_id uuid NOT NULL,
    foreign_version bigint NOT NULL DEFAULT 0,
    CONSTRAINT user_settings_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT user_settings_key CHECK (key ~ '^[A-Za-z0-9_.:-]{1,255}$'),
    CONSTRAINT user_settings_value CHECK (octet_length(value::text) <= 16384 AND value::text <> 'null')
);

CREATE INDEX user_settings_changes ON user_settings (user_id, version);
CREATE INDEX user_settings_tombstones ON user_settings (updated_at) WHERE value IS NULL;

-- The last 20 values that were replaced or deleted.
CREATE TABLE user_setting_history (
    user_id uuid NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    value json NOT NULL,
    device_name text,
    replaced_at timestamptz NOT NULL,
    CONSTRAINT user_setting_history_pkey PRIMARY KEY (user_id, key, version)
);

CREATE FUNCTION setting_document(p_key text, p_value json, p_version bigint) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT json_build_object('collection', 'settings', 'id', p_key, 'value', p_value, 'version', p_version)
$$;

CREATE FUNCTION setting_body(s user_settings) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'key', s.key, 'value', s.value, 'version', s.version, 'updated_at', wire_time(s.updated_at))
$$;

-- Carries out settings.set, .delete (one key), .patch (several) and .clear (p_keys null: all), in one transaction and one
-- round trip. A null in p_values deletes. p_base: the version that the client knew (0: none), null: it does not care.
-- p_match: If-Match, -1 for `*`; for one key against its setting, otherwise against the user's head.
CREATE FUNCTION settings_apply(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea,
    p_keys text[], p_values json[], p_base bigint, p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    one user_settings;
    single boolean := p_name IN ('settings.set', 'settings.delete');
    at timestamptz;
    others bigint;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    r.status := 'applied';
    at := clock_timestamp();
    IF single THEN
        SELECT user_id, key, value, version, updated_at, device_id, foreign_version INTO one
        FROM user_settings WHERE user_id = p_user AND key = p_keys[1];
        r.version := coalesce(one.version, 0);
    ELSE
        r.version := r.head;
    END IF;

    IF p_match IS NOT NULL AND (CASE
        WHEN single THEN one.value IS NULL OR p_match NOT IN (-1, one.version)
        ELSE p_match NOT IN (-1, r.head) END)
    THEN
        r.status := 'rejected';
        r.problem := json_build_object('code', 'version_mismatch', 'current', CASE
            WHEN NOT single THEN json_build_object('version', r.head)
            WHEN one.value IS NOT NULL THEN setting_body(one) END);
        r.version := NULL;
    ELSIF single AND p_base IS NOT NULL
        AND one.value::text IS DISTINCT FROM p_values[1]::text
        -- Who knew of none and meets a deleted one has lost nothing.
        AND NOT (one.value IS NULL AND p_base = 0)
        -- Of what was deleted and purged since there is no row: another wrote it after any version that is known of it.
        AND (one.key IS NULL
            OR (CASE WHEN one.device_id = p_device THEN one.foreign_version ELSE one.version END) > p_base)
    THEN
        r.status := 'conflict';
        r.document := setting_document(p_keys[1], one.value, coalesce(one.version, 0));
        INSERT INTO sync_conflicts (user_id, id, name, args, lost_value, collection, document_id, at)
        VALUES (p_user, p_id, p_name, CASE p_name
            WHEN 'settings.set' THEN json_build_object('key', p_keys[1], 'value', p_values[1])
            ELSE json_build_object('key', p_keys[1]) END, p_values[1], 'settings', p_keys[1], at);
    ELSE
        IF p_keys IS NULL THEN
            SELECT array_agg(key), array_fill(NULL::json, ARRAY[count(*)::integer]) INTO p_keys, p_values
            FROM user_settings WHERE user_id = p_user AND value IS NOT NULL;
        END IF;
        SELECT array_agg(n.key) INTO r.changed
        FROM unnest(p_keys, p_values) AS n (key, value)
        LEFT JOIN user_settings s ON s.user_id = p_user AND s.key = n.key
        WHERE s.value::text IS DISTINCT FROM n.value::text;
        IF r.changed IS NOT NULL THEN
            r := settings_write(p_user, p_device, r, p_keys, p_values, at);
        END IF;
        IF r.status = 'applied' THEN
            r := settings_answer(p_user, p_name, r, p_keys);
        END IF;
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;

-- Writes what is in r.changed at the next version, or refuses it all.
CREATE FUNCTION settings_write(
    p_user uuid, p_device uuid, r mutation_result, p_keys text[], p_values json[], p_at timestamptz
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    live bigint;
    added bigint;
BEGIN
    SELECT count(*) FILTER (WHERE n.value IS NOT NULL AND s.value IS NULL)
         - count(*) FILTER (WHERE n.value IS NULL)
    INTO added
    FROM unnest(p_keys, p_values) AS n (key, value)
    LEFT JOIN user_settings s ON s.user_id = p_user AND s.key = n.key
    WHERE n.key = ANY (r.changed);
    IF added > 0 THEN
        SELECT count(*) INTO live FROM user_settings WHERE user_id = p_user AND value IS NOT NULL;
        IF live + added > 1000 THEN
            r.status := 'rejected';
            r.problem := json_build_object('code', 'too_many_settings');
            r.version := NULL;
            r.changed := NULL;
            RETURN r;
        END IF;
    END IF;
    r.head := r.previous + 1;
    r.version := r.head;
    INSERT INTO user_setting_history (user_id, key, version, value, device_name, replaced_at)
    SELECT s.user_id, s.key, s.version, s.value, d.name, p_at
    FROM user_settings s LEFT JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
    WHERE s.user_id = p_user AND s.key = ANY (r.changed) AND s.value IS NOT NULL;
    IF FOUND THEN
        DELETE FROM user_setting_history h
        USING unnest(r.changed) AS c (key)
        WHERE h.user_id = p_user AND h.key = c.key AND h.version <= (
            SELECT o.version FROM user_setting_history o WHERE o.user_id = p_user AND o.key = c.key
            ORDER BY o.version DESC OFFSET 20 LIMIT 1);
    END IF;
    INSERT INTO user_settings AS s (user_id, key, value, version, updated_at, device_id)
    SELECT p_user, n.key, n.value, r.head, p_at, p_device
    FROM unnest(p_keys, p_values) AS n (key, value) WHERE n.key = ANY (r.changed)
    ON CONFLICT ON CONSTRAINT user_settings_pkey DO UPDATE
    SET value = excluded.value, version = excluded.version, updated_at = excluded.updated_at,
        device_id = excluded.device_id,
        foreign_version = CASE WHEN s.device_id = excluded.device_id THEN s.foreign_version ELSE s.version END;
    RETURN r;
END
$$;

-- The body that REST answers with, and the document of a single key.
CREATE FUNCTION settings_answer(p_user uuid, p_name text, r mutation_result, p_keys text[])
RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    IF p_name IN ('settings.set', 'settings.delete') THEN
        SELECT setting_document(s.key, s.value, s.version),
            CASE p_name WHEN 'settings.set' THEN setting_body(s) END
        INTO r.document, r.output FROM user_settings s WHERE s.user_id = p_user AND s.key = p_keys[1];
    ELSIF p_name = 'settings.patch' THEN
        SELECT json_build_object('settings', coalesce(json_agg(setting_body(s) ORDER BY s.key COLLATE "C"), '[]'))
        INTO r.output FROM user_settings s
        WHERE s.user_id = p_user AND s.key = ANY (p_keys) AND s.value IS NOT NULL;
    END IF;
    RETURN r;
END
$$;

-- Forgets tombstones older than p_before, and their history; the floor rises in the same transaction.
CREATE FUNCTION settings_purge(p_user uuid, p_before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    purged bigint;
    highest bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    WITH gone AS (
        DELETE FROM user_settings WHERE user_id = p_user AND value IS NULL AND updated_at < p_before
        RETURNING key, version
    ), history AS (
        DELETE FROM user_setting_history h USING gone g WHERE h.user_id = p_user AND h.key = g.key
    )
    SELECT count(*), max(version) INTO purged, highest FROM gone;
    IF purged > 0 THEN
        UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    END IF;
    RETURN purged;
END
$$;
