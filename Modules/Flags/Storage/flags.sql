-- A flag as REST and replicas have it.
CREATE FUNCTION flag_body(f feature_flags) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_strip_nulls(json_build_object(
        'name', f.name, 'enabled', f.enabled, 'description', f.description, 'version', f.version,
        'allowed_keys', f.allowed_keys))
$$;

-- Switches a flag, and gives it other keys unless they are null. Returns its version; null: there is no such flag. What
-- is so already moves nothing.
CREATE FUNCTION flag_set(p_name text, p_enabled boolean, p_allowed_keys text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    was feature_flags;
BEGIN
    -- The lock first, alone: what decides must see what the one before it committed.
    PERFORM FROM sync_shared FOR NO KEY UPDATE;
    SELECT f.name, f.enabled, f.description, f.allowed_keys, f.version, f.updated_at INTO was
    FROM feature_flags f WHERE f.name = p_name;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF was.enabled <> p_enabled OR was.allowed_keys IS DISTINCT FROM coalesce(p_allowed_keys, was.allowed_keys) THEN
        UPDATE feature_flags f
        SET enabled = p_enabled, allowed_keys = coalesce(p_allowed_keys, f.allowed_keys), version = shared_advance(),
            updated_at = clock_timestamp()
        WHERE f.name = p_name RETURNING f.version INTO was.version;
    END IF;
    RETURN was.version;
END
$$;

CREATE FUNCTION storage_guard_count(p_mode text, p_keys text[], p_counts bigint[], p_known text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := clock_timestamp();
    taken bigint;
BEGIN
    -- One report at a time, or two would each take the last place. The number is "guard" in ASCII.
    PERFORM pg_advisory_xact_lock(444350952036);
    DELETE FROM storage_guard_reports WHERE last_seen_at < at - interval '90 days';
    SELECT count(DISTINCT r.key) INTO taken FROM storage_guard_reports r WHERE r.key <> ALL (p_known);
    INSERT INTO storage_guard_reports AS r (key, mode, count, first_seen_at, last_seen_at)
    SELECT placed.key, p_mode, sum(placed.count), at, at
    FROM (
        SELECT CASE WHEN g.settled OR taken + row_number() OVER (PARTITION BY g.settled ORDER BY g.key) <= 200
            THEN g.key ELSE '(other)' END AS key, g.count
        FROM (
            SELECT n.key, n.count, n.key = ANY (p_known)
                OR EXISTS (SELECT FROM storage_guard_reports s WHERE s.key = n.key) AS settled
            FROM unnest(p_keys, p_counts) AS n (key, count)
        ) AS g
    ) AS placed
    GROUP BY placed.key
    ON CONFLICT ON CONSTRAINT storage_guard_reports_pkey
    DO UPDATE SET count = r.count + excluded.count, last_seen_at = excluded.last_seen_at;
END
$$;

CREATE VIEW flag_documents AS SELECT f.name AS id, flag_body(f) AS value, f.version FROM feature_flags f;
