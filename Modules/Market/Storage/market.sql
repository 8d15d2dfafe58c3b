-- What each thing is as JSON: in answers and in documents alike.
CREATE FUNCTION item_body(i market_items) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', i.id, 'name', i.name, 'description', i.description, 'cost_coins', i.cost_coins, 'category', i.category,
        'rarity', i.rarity, 'icon_url', i.icon_url, 'available', i.available,
        'available_from', wire_time(i.available_from), 'available_until', wire_time(i.available_until),
        'stock_remaining', i.stock_remaining, 'max_per_user', i.max_per_user, 'consumable', i.consumable,
        'personal', false, 'version', i.version)
$$;

CREATE FUNCTION personal_item_body(i market_personal_items) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', i.id, 'name', i.name, 'description', i.description, 'cost_coins', i.cost_coins, 'category', i.category,
        'rarity', 'common', 'icon_url', NULL, 'available', i.deleted_at IS NULL, 'available_from', NULL,
        'available_until', NULL, 'stock_remaining', NULL, 'max_per_user', NULL, 'consumable', true, 'personal', true,
        'version', i.version)
$$;

CREATE FUNCTION wallet_body(p_total bigint, p_earned bigint, p_spent bigint, p_version bigint) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'total_coins', p_total, 'earned_coins', p_earned, 'spent_coins', p_spent, 'version', p_version)
$$;

CREATE FUNCTION transaction_body(
    p_id uuid, p_type text, p_coins bigint, p_balance bigint, p_reason text, p_item uuid, p_at text, p_hash text
) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', p_id, 'transaction_type', p_type, 'coins_amount', p_coins, 'balance_after', p_balance, 'reason', p_reason,
        'item_id', p_item, 'created_at', p_at, 'hash', p_hash)
$$;

-- Without `item`, which documents leave out.
CREATE FUNCTION inventory_body(v user_inventory) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'item_id', v.item_id, 'quantity', v.quantity, 'cost_paid_coins', v.cost_paid_coins,
        'purchased_at', wire_time(v.purchased_at), 'redeemed', v.redeemed)
$$;

CREATE FUNCTION reward_body(w user_rewards) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', w.id, 'reward_type', w.reward_type, 'coins_earned', w.coins_earned, 'claimed', w.claimed,
        'claimed_at', wire_time(w.claimed_at), 'created_at', wire_time(w.created_at))
$$;

-- The catalogue and what p_user made, in one shape; nobody else's. Should an item of the catalogue have come under the
-- id of one that a user made, an id is the catalogue's.
CREATE FUNCTION market_items_of(p_user uuid) RETURNS TABLE (
    id uuid, cost_coins bigint, category text, rarity text, available boolean, available_from timestamptz,
    available_until timestamptz, stock_remaining bigint, max_per_user bigint, consumable boolean, personal boolean,
    version bigint, name_key text, search text, body json
) LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
    SELECT i.id, i.cost_coins, i.category, i.rarity, i.available, i.available_from, i.available_until,
        i.stock_remaining, i.max_per_user, i.consumable, false, i.version, i.name_key, i.search, item_body(i)
    FROM market_items i
    UNION ALL SELECT p.id, p.cost_coins, p.category, 'common', true, NULL, NULL, NULL, NULL, true, true, p.version,
        p.name_key, p.search, personal_item_body(p)
    FROM market_personal_items p WHERE p.user_id = p_user AND p.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM market_items c WHERE c.id = p.id)
$$;

-- The documents of the market, a user's own and those that all users share; NULL: deleted. A user
-- without a wallet's row has an empty one, at version 0.
CREATE VIEW market_documents AS
    SELECT h.user_id, 'wallet' AS collection, 'coins' AS id, coalesce(w.version, 0) AS version,
        wallet_body(coalesce(w.total_coins, 0), coalesce(w.earned_coins, 0), coalesce(w.spent_coins, 0),
            coalesce(w.version, 0)) AS value
    FROM sync_heads h LEFT JOIN user_wallet w ON w.user_id = h.user_id
    UNION ALL SELECT v.user_id, 'inventory', v.item_id::text, v.version,
        CASE WHEN v.quantity > 0 THEN inventory_body(v) END
    FROM user_inventory v
    UNION ALL SELECT w.user_id, 'rewards', w.id::text, w.version, reward_body(w) FROM user_rewards w
    UNION ALL SELECT p.user_id, 'personal_items', p.id::text, p.version,
        CASE WHEN p.deleted_at IS NULL THEN personal_item_body(p) END
    FROM market_personal_items p;

CREATE VIEW market_item_documents AS
    SELECT i.id::text AS id, i.version, item_body(i) AS value FROM market_items i;

-- Forgets before their time, if there are 1,000 or more, the items of one's own that are deleted and not owned, with
-- what an inventory says of them, and how many they were. The floor rises in the same transaction.
CREATE FUNCTION market_forget(p_user uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    condemned uuid[];
    highest bigint;
BEGIN
    SELECT array_agg(p.id), max(p.version) INTO condemned, highest FROM market_personal_items p
    WHERE p.user_id = p_user AND p.deleted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM user_inventory v WHERE v.user_id = p_user AND v.item_id = p.id AND v.quantity > 0);
    IF coalesce(cardinality(condemned), 0) < 1000 THEN
        RETURN 0;
    END IF;
    DELETE FROM market_personal_items WHERE user_id = p_user AND id = ANY (condemned);
    WITH gone AS (
        DELETE FROM user_inventory WHERE user_id = p_user AND item_id = ANY (condemned) RETURNING version
    )
    SELECT greatest(highest, max(version)) INTO highest FROM gone;
    UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    RETURN cardinality(condemned);
END
$$;

-- A step of purging what was deleted (a Purge of FeatureViews.swift); the floor rises in the same transaction. A
-- deleted item of one's own stays as long as pieces of it are owned.
CREATE FUNCTION market_purge(
    p_user uuid, p_before timestamptz, p_from text, p_rows integer, OUT purged bigint, OUT next_from text
) LANGUAGE plpgsql SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE
    first CONSTANT uuid := coalesce(p_from, '00000000-0000-0000-0000-000000000000');
    ids uuid[];
    highest bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    ids := ARRAY(
        (SELECT item_id FROM user_inventory WHERE user_id = p_user AND item_id >= first ORDER BY 1 LIMIT p_rows + 1)
        UNION (SELECT id FROM market_personal_items WHERE user_id = p_user AND id >= first ORDER BY 1 LIMIT p_rows + 1)
        ORDER BY 1 LIMIT p_rows + 1);
    next_from := ids[p_rows + 1];
    WITH inventory AS (
        DELETE FROM user_inventory
        WHERE user_id = p_user AND item_id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))]
            AND emptied_at < p_before
        RETURNING version
    ), items AS (
        DELETE FROM market_personal_items p
        WHERE p.user_id = p_user AND p.id BETWEEN ids[1] AND ids[least(p_rows, cardinality(ids))]
            AND p.deleted_at < p_before AND NOT EXISTS (
                SELECT FROM user_inventory v WHERE v.user_id = p_user AND v.item_id = p.id AND v.quantity > 0)
        RETURNING version
    )
    SELECT count(*), max(version) INTO purged, highest
    FROM (SELECT version FROM inventory UNION ALL SELECT version FROM items) AS gone;
    IF purged > 0 THEN
        UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    END IF;
END
$$;

CREATE VIEW market_purgeable AS
    SELECT v.user_id, v.emptied_at AS since FROM user_inventory v WHERE v.emptied_at IS NOT NULL
    UNION ALL SELECT p.user_id, p.deleted_at FROM market_personal_items p
    WHERE p.deleted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM user_inventory v WHERE v.user_id = p.user_id AND v.item_id = p.id AND v.quantity > 0);

-- How many entries a ledger has, and how many items of one's own there are, with those that are
-- deleted and still owned.
CREATE VIEW transactions_room AS SELECT w.seq AS amount FROM user_wallet w;

CREATE VIEW personal_items_room AS SELECT count(*) AS amount FROM market_personal_items p GROUP BY p.user_id;
