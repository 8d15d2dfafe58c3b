-- A widget as clients see it, in documents and in answers; null: it was deleted, or there is none.
CREATE FUNCTION widget_body(one widgets) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN one.name IS NOT NULL THEN json_build_object('id', one.id, 'name', one.name) END
$$;

-- widgets.set: an `id` of the client's own, and a `name`, null to delete it. A stale base version is a conflict where
-- the name differs; If-Match is held against the widget.
CREATE FUNCTION widgets_set(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    wanted CONSTANT uuid := m.args ->> 'id';
    written CONSTANT text := m.args ->> 'name';
    one widgets;
    rows bigint;
BEGIN
    one := (SELECT t FROM widgets t WHERE t.user_id = m.user_id AND t.id = wanted);
    IF m.match IS NOT NULL AND (one.name IS NULL OR NOT m.match && ARRAY[-1, one.version]) THEN
        RETURN mutation_refuse(r, json_build_object('code', 'version_mismatch', 'current', widget_body(one)));
    ELSIF one.name IS NOT DISTINCT FROM written THEN
        RETURN widget_answer(r, one);
    ELSIF m.base_version IS NOT NULL
        -- Who knew of none and meets a deleted one has lost nothing.
        AND NOT (one.name IS NULL AND m.base_version = 0)
        -- Of what was deleted and purged since there is no row: another wrote it after any version that is known of it.
        AND (one.id IS NULL OR (
            CASE WHEN one.device_id = m.device_id THEN one.other_device_version ELSE one.version END) > m.base_version)
    THEN
        r.status := 'conflict';
        r.version := coalesce(one.version, 0);
        r.document := widget_document(wanted, one);
        PERFORM conflict_keep(m, m.args, CASE WHEN written IS NOT NULL THEN m.args END, 'widgets', wanted::text);
        RETURN r;
    END IF;
    IF one.id IS NULL THEN
        SELECT count(*) INTO rows FROM widgets WHERE user_id = m.user_id;
        IF rows >= 1000 THEN
            RETURN mutation_refuse(r, json_build_object('code', 'too_many_widgets'));
        END IF;
    END IF;
    one.id := wanted;
    one.name := written;
    RETURN widget_write(m, r, one);
END
$$;

-- Writes the widget as it shall be, at the next version.
CREATE FUNCTION widget_write(m mutation, r mutation_result, one widgets) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.head := r.previous + 1;
    one.version := r.head;
    INSERT INTO widgets AS t (user_id, id, name, version, updated_at, device_id)
    VALUES (m.user_id, one.id, one.name, one.version, m.at, m.device_id)
    ON CONFLICT ON CONSTRAINT widgets_pkey DO UPDATE
    SET name = excluded.name, version = excluded.version, updated_at = excluded.updated_at,
        device_id = excluded.device_id,
        other_device_version =
            CASE WHEN t.device_id = excluded.device_id THEN t.other_device_version ELSE t.version END;
    r.changed := ARRAY[('widgets', one.id, one.version, widget_body(one))::document];
    RETURN widget_answer(r, one);
END
$$;

-- The mutation is done, and the widget is so now.
CREATE FUNCTION widget_answer(r mutation_result, one widgets) RETURNS mutation_result LANGUAGE plpgsql AS $$
BEGIN
    r.status := 'applied';
    r.version := coalesce(one.version, 0);
    r.output := widget_body(one);
    r.document := CASE WHEN one.id IS NOT NULL THEN widget_document(one.id, one) END;
    RETURN r;
END
$$;

CREATE FUNCTION widget_document(p_id uuid, one widgets) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'collection', 'widgets', 'id', p_id, 'value', widget_body(one), 'version', coalesce(one.version, 0))
$$;

-- A step of purging tombstones (a Purge of FeatureViews.swift); the floor rises in the same transaction.
CREATE FUNCTION widgets_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
    highest bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    ids := ARRAY(SELECT id FROM widgets WHERE user_id = p_user
        AND id >= coalesce(p_from, '00000000-0000-0000-0000-000000000000')::uuid ORDER BY id LIMIT p_rows + 1);
    next_from := ids[p_rows + 1];
    WITH gone AS (
        DELETE FROM widgets
        WHERE user_id = p_user AND id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))]
            AND name IS NULL AND updated_at < p_before
        RETURNING version
    )
    SELECT count(*), max(version) INTO purged, highest FROM gone;
    IF purged > 0 THEN
        UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    END IF;
END
$$;

-- What Sync reads: the documents, and which of them may be forgotten, since when.
CREATE VIEW widgets_documents AS SELECT t.user_id, t.id::text AS id, widget_body(t) AS value, t.version FROM widgets t;

CREATE VIEW widgets_purgeable AS SELECT t.user_id, t.updated_at AS since FROM widgets t WHERE t.name IS NULL;
