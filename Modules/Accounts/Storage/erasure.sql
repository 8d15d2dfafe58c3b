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

-- An account's end for everybody: who it was, what one signs in with, its sessions, its
-- devices and its head, without which nothing is read or written for it. That is what hangs on
-- `users` by foreign keys, and so must be few rows a user; a table that grows for years has no
-- such key. What else there is, account_erase removes. False: there is no such account.
CREATE FUNCTION account_leave(p_user uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    source regclass;
BEGIN
    -- Whoever writes for this user holds their head and finds it gone afterwards; who signs them in
    -- holds their account.
    PERFORM FROM sync_heads WHERE user_id = p_user FOR UPDATE;
    PERFORM FROM users WHERE id = p_user FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO account_erasures (id) VALUES (p_user);
    -- It says who they were, and may be taken by somebody else at once.
    DELETE FROM identities WHERE user_id = p_user;
    FOR source IN
        WITH RECURSIVE hanging (t) AS (
            SELECT 'users'::regclass::oid
            UNION SELECT k.conrelid FROM hanging h JOIN pg_constraint k ON k.contype = 'f' AND k.confrelid = h.t
        )
        SELECT t.source FROM account_tables() WITH ORDINALITY AS t (source, place)
        WHERE t.source IN (SELECT h.t FROM hanging h) ORDER BY t.place
    LOOP
        EXECUTE format('DELETE FROM %s WHERE user_id = $1', source) USING p_user;
    END LOOP;
    DELETE FROM users WHERE id = p_user;
    RETURN true;
END
$$;

-- Erases an account: every row of this user in every table of users, for about a second; it is called until it says
-- true: nothing is left. null: another process is at it. The trigger that guards the ledger lets rows go only where
-- this function, by this name, deletes them.
CREATE FUNCTION account_erase(p_user uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    source regclass;
    piece regclass;
    enough CONSTANT timestamptz := clock_timestamp() + interval '1 second';
    began timestamptz;
    rows bigint := 1000;
    erased bigint;
BEGIN
    PERFORM account_leave(p_user);
    PERFORM FROM account_erasures WHERE id = p_user FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN CASE WHEN EXISTS (SELECT FROM account_erasures WHERE id = p_user) THEN NULL ELSE true END;
    END IF;
    FOR source IN SELECT t FROM account_tables() AS t LOOP
        IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = source AND confrelid = source) THEN
            -- Its rows refer to one another: all or none.
            EXECUTE format('DELETE FROM %s WHERE user_id = $1', source) USING p_user;
            CONTINUE;
        END IF;
        FOR piece IN
            SELECT p.relid FROM pg_partition_tree(source) AS p WHERE p.isleaf
            UNION SELECT source WHERE NOT EXISTS (SELECT FROM pg_partition_tree(source))
        LOOP
            LOOP
                began := clock_timestamp();
                -- The ledger's guard (0017) lets exactly this statement through, of exactly this function: neither is
                -- written otherwise without a migration.
                EXECUTE format('DELETE FROM %1$s WHERE user_id = $1 AND ctid = ANY ('
                    'ARRAY(SELECT ctid FROM %1$s WHERE user_id = $1 LIMIT $2))', piece) USING p_user, rows;
                GET DIAGNOSTICS erased = ROW_COUNT;
                EXIT WHEN erased < rows;
                IF clock_timestamp() > enough THEN
                    RETURN false;
                END IF;
                -- Rows of some tables are a hundred times as large as those of others.
                rows := CASE WHEN clock_timestamp() - began < interval '50 milliseconds' THEN least(rows * 2, 50000)
                    ELSE greatest(rows / 2, 100) END;
            END LOOP;
            IF clock_timestamp() > enough THEN
                RETURN false;
            END IF;
        END LOOP;
    END LOOP;
    DELETE FROM account_erasures WHERE id = p_user;
    RETURN true;
END
$$;
