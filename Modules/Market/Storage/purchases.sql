-- Whether an item may be bought now: the code of the first refusal with its members, or null. The
-- order is the contract's.
CREATE FUNCTION purchase_refusal(
    p_at timestamptz, p_available boolean, p_from timestamptz, p_until timestamptz, p_price bigint, p_expected bigint,
    p_owned bigint, p_limit bigint, p_stock bigint, p_quantity bigint, p_balance bigint
) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN NOT p_available OR p_at < p_from OR p_at >= p_until THEN json_build_object('code', 'item_unavailable')
        WHEN p_price <> p_expected THEN json_build_object('code', 'price_changed', 'cost_coins', p_price)
        WHEN p_owned + p_quantity > p_limit THEN
            json_build_object('code', 'limit_reached', 'max_per_user', p_limit, 'owned', p_owned)
        WHEN p_stock < p_quantity THEN json_build_object('code', 'out_of_stock', 'stock_remaining', p_stock)
        WHEN p_balance < p_price * p_quantity THEN
            json_build_object('code', 'insufficient_coins', 'balance', p_balance, 'cost', p_price * p_quantity)
    END
$$;

-- An item as it is offered to one user: why they may not buy it, or null.
CREATE TYPE market_offer AS (
    cost_coins bigint, stock_remaining bigint, owned bigint, has_purchased boolean, seq bigint, refusal json
);

-- What market.purchase asks for as it is at p_at: an item of the catalogue, or one that they made.
CREATE FUNCTION purchase_offer(m mutation, p_item uuid, p_quantity bigint, p_at timestamptz) RETURNS market_offer
LANGUAGE plpgsql AS $$
DECLARE
    expected CONSTANT bigint := m.args ->> 'expected_cost_coins';
    offer market_offer;
BEGIN
    SELECT i.cost_coins, i.stock_remaining, v.quantity, w.has_purchased, w.seq, purchase_refusal(
        p_at, i.available, i.available_from, i.available_until, i.cost_coins, expected, coalesce(v.quantity, 0),
        i.max_per_user, i.stock_remaining, p_quantity, coalesce(w.total_coins, 0))
    INTO offer FROM market_items i
    LEFT JOIN user_inventory v ON v.user_id = m.user_id AND v.item_id = i.id
    LEFT JOIN user_wallet w ON w.user_id = m.user_id
    WHERE i.id = p_item;
    IF NOT FOUND THEN
        SELECT i.cost_coins, NULL, v.quantity, w.has_purchased, w.seq, purchase_refusal(
            p_at, true, NULL, NULL, i.cost_coins, expected, 0, NULL, NULL, p_quantity, coalesce(w.total_coins, 0))
        INTO offer FROM market_personal_items i
        LEFT JOIN user_inventory v ON v.user_id = m.user_id AND v.item_id = i.id
        LEFT JOIN user_wallet w ON w.user_id = m.user_id
        WHERE i.user_id = m.user_id AND i.id = p_item AND i.deleted_at IS NULL;
        IF NOT FOUND THEN
            offer.refusal := json_build_object('code', 'not_found');
            RETURN offer;
        END IF;
    END IF;
    IF m.match IS NOT NULL THEN
        offer.refusal := coalesce(wallet_mismatch(m.user_id, m.match), offer.refusal);
    END IF;
    RETURN offer;
END
$$;

-- market.purchase: `quantity` of `item_id`, each at `expected_cost_coins` (null: whatever
-- it costs). Price and window are what was committed when the user's lock was held; stock
-- is looked at twice, without a lock (a sold-out item costs nobody a wait) and again under
-- the shared one. If-Match of a purchase, a refund and a claim is held against the wallet.
CREATE FUNCTION market_purchase(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    item CONSTANT uuid := m.args ->> 'item_id';
    pieces CONSTANT bigint := m.args ->> 'quantity';
    at timestamptz := date_trunc('milliseconds', m.at);
    offer market_offer;
    cost bigint;
    move market_movement;
BEGIN
    offer := purchase_offer(m, item, pieces, at);
    IF offer.refusal IS NULL AND offer.stock_remaining IS NOT NULL THEN
        PERFORM FROM sync_shared FOR NO KEY UPDATE;
        at := date_trunc('milliseconds', clock_timestamp());
        offer := purchase_offer(m, item, pieces, at);
    END IF;
    IF offer.refusal IS NOT NULL THEN
        RETURN mutation_refuse(r, offer.refusal);
    ELSIF offer.seq >= storage_limit('transactions') THEN
        -- What gives coins, and a refund, goes on: it follows from what there is.
        RETURN mutation_full(r, 'transactions');
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    cost := offer.cost_coins * pieces;
    move := wallet_move(m.user_id, m.id, 'spend', -cost, 'purchase', item, r.head, at);
    r.changed := ARRAY[
        ('wallet', 'coins', r.head, move.wallet),
        ('inventory', item, r.head, purchase_write(m.user_id, m.id, item, pieces, cost, offer.owned, r.head, at))
    ]::document[];
    IF offer.has_purchased IS NOT TRUE THEN
        r.changed := r.changed || reward_grant(m.user_id, 'first_purchase', 5, NULL, r.head, at);
    END IF;
    IF offer.stock_remaining IS NOT NULL THEN
        r.shared := shared_advance();
        UPDATE market_items SET stock_remaining = stock_remaining - pieces, version = r.shared WHERE id = item;
    END IF;
    r.output := json_build_object(
        'purchase', json_build_object('id', m.id, 'item_id', item, 'quantity', pieces, 'cost_paid_coins', cost,
            'purchased_at', wire_time(at)),
        'wallet', move.wallet, 'transaction', move.entry);
    RETURN r;
END
$$;

-- Gives the pieces: the purchase, and what is owned now. p_owned: how many they had; null: there is no row.
CREATE FUNCTION purchase_write(
    p_user uuid, p_id uuid, p_item uuid, p_quantity bigint, p_cost bigint, p_owned bigint, p_version bigint,
    p_at timestamptz
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    body json;
BEGIN
    INSERT INTO user_market_purchases (user_id, id, item_id, quantity, cost_paid_coins, purchased_at, version)
    VALUES (p_user, p_id, p_item, p_quantity, p_cost, p_at, p_version);
    IF p_owned IS NULL THEN
        INSERT INTO user_inventory AS v (user_id, item_id, quantity, cost_paid_coins, purchased_at, version)
        VALUES (p_user, p_item, p_quantity, p_cost, p_at, p_version)
        RETURNING inventory_body(v) INTO body;
    ELSE
        UPDATE user_inventory AS v SET quantity = v.quantity + p_quantity,
            cost_paid_coins = v.cost_paid_coins + p_cost, purchased_at = p_at, version = p_version, emptied_at = NULL
        WHERE v.user_id = p_user AND v.item_id = p_item RETURNING inventory_body(v) INTO body;
    END IF;
    RETURN body;
END
$$;

-- The inventory row as REST shows it.
CREATE FUNCTION inventory_row(v user_inventory) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'item_id', v.item_id, 'quantity', v.quantity, 'cost_paid_coins', v.cost_paid_coins,
        'purchased_at', wire_time(v.purchased_at), 'redeemed', v.redeemed, 'item', coalesce(
            (SELECT item_body(i) FROM market_items i WHERE i.id = v.item_id),
            (SELECT personal_item_body(p) FROM market_personal_items p
             WHERE p.user_id = v.user_id AND p.id = v.item_id)))
$$;

-- market.redeem: uses `quantity` pieces of `item_id` up, those of the oldest
-- purchases first, because these cannot be refunded soonest. What is not consumable
-- is owned and cannot be used up. If-Match is held against the inventory's row.
CREATE FUNCTION market_redeem(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    item CONSTANT uuid := m.args ->> 'item_id';
    pieces CONSTANT bigint := m.args ->> 'quantity';
    one user_inventory;
    body json;
BEGIN
    one := (SELECT v FROM user_inventory v WHERE v.user_id = m.user_id AND v.item_id = item);
    IF one.item_id IS NULL AND NOT EXISTS (SELECT FROM market_items_of(m.user_id) WHERE id = item) THEN
        RETURN mutation_refuse(r, json_build_object('code', 'not_found'));
    ELSIF m.match IS NOT NULL AND (coalesce(one.quantity, 0) = 0 OR NOT m.match && ARRAY[-1, one.version]) THEN
        RETURN mutation_refuse(r, json_build_object(
            'code', 'version_mismatch', 'current', CASE WHEN one.quantity > 0 THEN inventory_row(one) END));
    ELSIF (one.redeemed + pieces <= one.quantity) IS NOT TRUE
        OR EXISTS (SELECT FROM market_items WHERE id = item AND NOT consumable)
    THEN
        RETURN mutation_refuse(r, json_build_object('code', 'nothing_to_redeem'));
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    UPDATE user_inventory AS v SET redeemed = v.redeemed + pieces, version = r.head
    WHERE v.user_id = m.user_id AND v.item_id = item
    RETURNING inventory_body(v), inventory_row(v) INTO body, r.output;
    r.changed := ARRAY[('inventory', item, r.head, body)]::document[];
    UPDATE user_market_purchases p SET redeemed = p.redeemed + u.used, version = r.head
    FROM (
        SELECT id, least(free, pieces - (sum(free) OVER earlier - free)) AS used
        FROM (
            SELECT id, purchased_at, quantity - redeemed AS free FROM user_market_purchases
            WHERE user_id = m.user_id AND item_id = item AND refunded_at IS NULL AND redeemed < quantity
        ) AS pieces_of
        WINDOW earlier AS (ORDER BY purchased_at, id)
    ) AS u
    WHERE p.user_id = m.user_id AND p.id = u.id AND u.used > 0;
    RETURN r;
END
$$;

-- market.refund: the whole purchase `transaction_id`, within 24 hours, nothing of it redeemed,
-- once. Coins and stock go back to where they came from.
CREATE FUNCTION market_refund(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    purchase CONSTANT uuid := m.args ->> 'transaction_id';
    at CONSTANT timestamptz := date_trunc('milliseconds', m.at);
    bought record;
    move market_movement;
    body json;
BEGIN
    SELECT item_id, quantity, cost_paid_coins,
        refunded_at IS NULL AND redeemed = 0 AND purchased_at > at - interval '24 hours' AS refundable
    INTO bought FROM user_market_purchases WHERE user_id = m.user_id AND id = purchase;
    IF NOT EXISTS (SELECT FROM market_transactions WHERE user_id = m.user_id AND id = purchase) THEN
        RETURN mutation_refuse(r, json_build_object('code', 'not_found'));
    END IF;
    r.problem := coalesce(wallet_mismatch(m.user_id, m.match),
        CASE WHEN bought.refundable IS NOT TRUE THEN json_build_object('code', 'not_refundable') END);
    IF r.problem IS NOT NULL THEN
        RETURN mutation_refuse(r, r.problem);
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    r.shared := stock_return(bought.item_id, bought.quantity);
    move := wallet_move(m.user_id, m.id, 'refund', bought.cost_paid_coins, 'refund', bought.item_id, r.head, at);
    UPDATE user_market_purchases SET refunded_at = at, version = r.head WHERE user_id = m.user_id AND id = purchase;
    UPDATE user_inventory AS v SET
        quantity = v.quantity - bought.quantity, cost_paid_coins = v.cost_paid_coins - bought.cost_paid_coins,
        purchased_at = coalesce((SELECT max(p.purchased_at) FROM user_market_purchases p
            WHERE p.user_id = m.user_id AND p.item_id = bought.item_id AND p.refunded_at IS NULL), v.purchased_at),
        version = r.head, emptied_at = CASE WHEN v.quantity = bought.quantity THEN at END
    WHERE v.user_id = m.user_id AND v.item_id = bought.item_id
    RETURNING CASE WHEN v.quantity > 0 THEN inventory_body(v) END INTO body;
    r.changed := ARRAY[
        ('wallet', 'coins', r.head, move.wallet), ('inventory', bought.item_id, r.head, body)]::document[];
    r.output := json_build_object('wallet', move.wallet, 'transaction', move.entry);
    RETURN r;
END
$$;

-- Puts pieces back where stock is limited: the shared sequence's new number, or null.
CREATE FUNCTION stock_return(p_item uuid, p_quantity bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    shared bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM market_items WHERE id = p_item AND stock_remaining IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    -- The limit may be lifted until the lock is held: what changes nothing must not move the shared sequence.
    PERFORM FROM sync_shared FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM market_items WHERE id = p_item AND stock_remaining IS NOT NULL) THEN
        shared := shared_advance();
        UPDATE market_items SET stock_remaining = stock_remaining + p_quantity, version = shared WHERE id = p_item;
    END IF;
    RETURN shared;
END
$$;
