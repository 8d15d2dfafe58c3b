-- What concerns an account as a whole. Which tables are a user's is asked of the schema and never listed, so that a new
-- feature's table is exported and erased without a line here: every one with a user_id.

-- The tables of users, each before those that it refers to.
CREATE FUNCTION account_tables() RETURNS SETOF regclass LANGUAGE plpgsql STABLE AS $$
DECLARE
    remaining oid[];
    free oid[];
BEGIN
    SELECT array_agg(c.oid) INTO remaining FROM pg_class c
    WHERE c.relnamespace = (SELECT u.relnamespace FROM pg_class u WHERE u.oid = 'users'::regclass)
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped);
    WHILE cardinality(remaining) > 0 LOOP
        SELECT array_agg(t) INTO free FROM unnest(remaining) AS t
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint k
            WHERE k.contype = 'f' AND k.confrelid = t AND k.conrelid <> t AND k.conrelid = ANY (remaining));
        IF free IS NULL THEN
            RAISE EXCEPTION 'the foreign keys of % form a circle', remaining::regclass[];
        END IF;
        RETURN QUERY SELECT f::regclass FROM unnest(free) AS f ORDER BY f::regclass::text;
        remaining := ARRAY(SELECT unnest(remaining) EXCEPT SELECT unnest(free));
    END LOOP;
END
$$;

-- Erases an account: every row of this user in every table of users. False: there is none. The trigger that guards the
-- ledger lets rows go only where this function, by this name, deletes them.
CREATE FUNCTION account_erase(p_user uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    source regclass;
BEGIN
    -- Whoever writes for this user holds his head and finds it gone afterwards; who signs him in holds his account.
    PERFORM FROM sync_heads WHERE user_id = p_user FOR UPDATE;
    PERFORM FROM users WHERE id = p_user FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR source IN SELECT t FROM account_tables() AS t LOOP
        EXECUTE format('DELETE FROM %s WHERE user_id = $1', source) USING p_user;
    END LOOP;
    DELETE FROM users WHERE id = p_user;
    RETURN true;
END
$$;

-- Everything about a user: first `user`, then each table of users by its name, with a null where it begins. A row is up to
-- 500 records as JSON, divided by commas: as many rows as records cost four times the time. Without what proves who
-- somebody is. STABLE, and so of one snapshot.
CREATE FUNCTION account_export(p_user uuid) RETURNS TABLE (source text, records text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    one regclass;
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT %L::text, row_to_json(r)::text FROM (SELECT %s FROM users AS t WHERE t.id = $1) AS r', 'user',
        account_columns('users')) USING p_user;
    FOR one IN SELECT t FROM account_tables() AS t ORDER BY t::text LOOP
        source := one::text;
        records := NULL;
        RETURN NEXT;
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, string_agg(j.record, E'',\n'' ORDER BY j.place) FROM (
                SELECT row_to_json(r)::text AS record, row_number() OVER () - 1 AS place
                FROM (SELECT %s FROM %s AS t WHERE t.user_id = $1 ORDER BY %s) AS r
            ) AS j GROUP BY j.place / 500 ORDER BY j.place / 500',
            one, account_columns(one), one, (
                SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY k.place)
                FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place), pg_attribute a
                WHERE i.indrelid = one AND i.indisprimary AND a.attrelid = one AND a.attnum = k.number)) USING p_user;
    END LOOP;
END
$$;

-- The columns of a table as an export shows them: times as on the wire, bytes as hex, and no secret.
CREATE FUNCTION account_columns(p_table regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(CASE a.atttypid
        WHEN 'timestamptz'::regtype THEN format('wire_time(t.%1$I) AS %1$I', a.attname)
        WHEN 'bytea'::regtype THEN format('encode(t.%1$I, ''hex'') AS %1$I', a.attname)
        ELSE format('t.%I', a.attname) END, ', ' ORDER BY a.attnum)
    FROM pg_attribute a
    WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'user_id'
        AND a.attname !~ 'password|token|secret'
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
