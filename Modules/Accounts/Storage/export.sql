-- How an export begins: the account itself as JSON, and the tables of users in the order of their
-- names. No row: there is no such account.
CREATE FUNCTION account_export(p_user uuid) RETURNS TABLE (account text, sources text[]) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT row_to_json(r)::text, ARRAY(SELECT t::text FROM account_tables() AS t ORDER BY t::text)
        FROM (SELECT %s FROM users AS t WHERE t.id = $1) AS r', account_columns('users')) USING p_user;
END
$$;

-- One page of what a table holds about a user: records as JSON, divided by commas, behind the key p_after (null: from
-- the first), in the order of the primary key; up to p_rows of them, and none beyond some 250 KB. next_after is the
-- last one's key, null where no further one follows. Without what proves who somebody is. No row: the account is gone.
CREATE FUNCTION account_export_page(p_user uuid, p_table text, p_after text[], p_rows bigint)
RETURNS TABLE (records text, next_after text[]) LANGUAGE plpgsql STABLE AS $$
DECLARE
    source regclass;
    names text;
    texts text;
    bounds text;
BEGIN
    IF NOT EXISTS (SELECT FROM users WHERE id = p_user) THEN
        RETURN;
    END IF;
    SELECT t INTO source FROM account_tables() AS t WHERE t::text = p_table;
    SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY k.place),
        string_agg(format('t.%I::text', a.attname), ', ' ORDER BY k.place),
        string_agg(format('$2[%s]::%s', k.place, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY k.place)
    INTO names, texts, bounds
    FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place), pg_attribute a
    WHERE i.indrelid = source AND i.indisprimary AND a.attrelid = source AND a.attnum = k.number;
    IF names IS NULL THEN
        names := 't.ctid';
        texts := 't.ctid::text';
        bounds := '$2[1]::tid';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT string_agg(p.record, E'',\n'' ORDER BY p.number),
            CASE WHEN count(*) = $3 OR count(*) < max(p.read)
                THEN (array_agg(p.key::text ORDER BY p.number DESC))[1]::text[] END
        FROM (
            SELECT f.record, f.key, f.number, count(*) OVER () AS read,
                sum(octet_length(f.record)) OVER (ORDER BY f.number) - octet_length(f.record) AS before
            FROM (
                SELECT row_number() OVER (ORDER BY %1$s) AS number, ARRAY[%2$s] AS key,
                    (SELECT row_to_json(r)::text FROM (SELECT %4$s) AS r) AS record
                FROM (SELECT t.*, t.ctid FROM %5$s AS t WHERE t.user_id = $1 %3$s ORDER BY %1$s LIMIT $3) AS t
            ) AS f
        ) AS p WHERE p.before < 250000',
        names, texts, CASE WHEN p_after IS NOT NULL THEN format('AND (%s) > (%s)', names, bounds) ELSE '' END,
        account_columns(source), source) USING p_user, p_after, p_rows;
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
