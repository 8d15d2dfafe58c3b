-- market.items.create: an item of the user's own, which has the mutation's id; what is not said is null.
CREATE FUNCTION market_items_create(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    one market_personal_items;
    live bigint;
    rows bigint;
BEGIN
    IF EXISTS (SELECT FROM market_items WHERE id = m.id) THEN
        -- A client chose the id of something that all users know.
        r.status := 'reused';
        RETURN r;
    END IF;
    SELECT count(*) FILTER (WHERE deleted_at IS NULL), count(*) INTO live, rows
    FROM market_personal_items WHERE user_id = m.user_id;
    IF rows - live >= 1000 THEN
        rows := rows - market_forget(m.user_id);
    END IF;
    IF live >= 1000 THEN
        RETURN mutation_refuse(r, json_build_object('code', 'too_many_items'));
    ELSIF rows >= storage_limit('personal_items') THEN
        RETURN mutation_full(r, 'personal_items');
    END IF;
    r.head := r.previous + 1;
    INSERT INTO market_personal_items AS p (user_id, id, name, description, cost_coins, category, version)
    VALUES (m.user_id, m.id, m.args ->> 'name', coalesce(m.args ->> 'description', ''),
        (m.args ->> 'cost_coins')::bigint, coalesce(m.args ->> 'category', 'personal'), r.head)
    RETURNING p.user_id, p.id, p.name, p.description, p.cost_coins, p.category, p.version, p.deleted_at, p.name_key,
        p.search INTO one;
    RETURN personal_item_answer(r, one);
END
$$;

-- market.items.patch: another name, price, description or category of the item `id`; null leaves it.
CREATE FUNCTION market_items_patch(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    item CONSTANT uuid := m.args ->> 'id';
    one market_personal_items;
    now market_personal_items;
BEGIN
    one := (SELECT p FROM market_personal_items p
        WHERE p.user_id = m.user_id AND p.id = item AND p.deleted_at IS NULL);
    r := personal_item_begin(m, r, one);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    now := one;
    now.name := coalesce(m.args ->> 'name', one.name);
    now.cost_coins := coalesce((m.args ->> 'cost_coins')::bigint, one.cost_coins);
    now.description := coalesce(m.args ->> 'description', one.description);
    now.category := coalesce(m.args ->> 'category', one.category);
    IF (now.name, now.cost_coins, now.description, now.category)
        <> (one.name, one.cost_coins, one.description, one.category)
    THEN
        r.head := r.previous + 1;
        now.version := r.head;
        UPDATE market_personal_items SET name = now.name, cost_coins = now.cost_coins, description = now.description,
            category = now.category, version = now.version
        WHERE user_id = m.user_id AND id = item;
    END IF;
    RETURN personal_item_answer(r, now);
END
$$;

-- market.items.delete: the item `id`. What is owned of it stays owned.
CREATE FUNCTION market_items_delete(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    item CONSTANT uuid := m.args ->> 'id';
    one market_personal_items;
BEGIN
    one := (SELECT p FROM market_personal_items p
        WHERE p.user_id = m.user_id AND p.id = item AND p.deleted_at IS NULL);
    r := personal_item_begin(m, r, one);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    r.head := r.previous + 1;
    one.version := r.head;
    one.deleted_at := date_trunc('milliseconds', m.at);
    UPDATE market_personal_items SET version = one.version, deleted_at = one.deleted_at
    WHERE user_id = m.user_id AND id = item;
    RETURN personal_item_answer(r, one);
END
$$;

-- Refuses what is about no item, or about another version of it.
CREATE FUNCTION personal_item_begin(m mutation, r mutation_result, one market_personal_items) RETURNS mutation_result
LANGUAGE plpgsql AS $$
BEGIN
    IF one.id IS NULL THEN
        RETURN mutation_refuse(r, json_build_object('code', 'not_found'));
    ELSIF m.match IS NOT NULL AND NOT m.match && ARRAY[-1, one.version] THEN
        RETURN mutation_refuse(r, json_build_object('code', 'version_mismatch', 'current', personal_item_body(one)));
    END IF;
    RETURN r;
END
$$;

-- The item as it is now; of a deleted one nothing.
CREATE FUNCTION personal_item_answer(r mutation_result, one market_personal_items) RETURNS mutation_result
LANGUAGE plpgsql AS $$
BEGIN
    r.status := 'applied';
    r.version := one.version;
    IF one.deleted_at IS NULL THEN
        r.output := personal_item_body(one);
    END IF;
    r.document := json_build_object(
        'collection', 'personal_items', 'id', one.id, 'value', r.output, 'version', one.version);
    IF r.head > r.previous THEN
        r.changed := ARRAY[('personal_items', one.id, r.head, r.output)]::document[];
    END IF;
    RETURN r;
END
$$;
