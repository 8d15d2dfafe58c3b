-- What a purchase weighs: it halves every seven days. Written as seen from a fixed day, so that time alone changes no
-- stored number: twice as much for each week since 2026. Doubles hold it for nineteen years.
CREATE FUNCTION recommendation_weight(p_at timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT power(2::double precision, extract(epoch FROM p_at - timestamptz '2026-01-01 00:00:00Z') / 604800)
$$;

-- What a user owns now: the 50 items of the catalogue that they bought last, and how much they heat
-- each, by three purchases at most. null: nothing.
CREATE FUNCTION recommendation_basket(p_user uuid) RETURNS TABLE (items uuid[], heats double precision[])
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT array_agg(v.item_id ORDER BY v.item_id), array_agg(t.heat ORDER BY v.item_id)
    FROM (
        SELECT o.item_id FROM user_inventory o JOIN market_items i ON i.id = o.item_id
        WHERE o.user_id = p_user AND o.quantity > 0
        ORDER BY o.purchased_at DESC, o.item_id LIMIT 50) AS v
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(recommendation_weight(p.purchased_at)), 0) AS heat FROM (
            SELECT purchased_at FROM user_market_purchases
            WHERE user_id = p_user AND item_id = v.item_id AND refunded_at IS NULL
            ORDER BY purchased_at DESC LIMIT 3) AS p) AS t
$$;

-- Counts what these users own against what has been counted of them, and whom erasure took away.
CREATE FUNCTION recommendation_count(p_users uuid[]) RETURNS void LANGUAGE sql AS $$
    WITH leavings AS (
        DELETE FROM recommendation_leavings
        WHERE id IN (SELECT id FROM recommendation_leavings ORDER BY id LIMIT 1000) RETURNING id, items, heats
    ), changed AS (
        SELECT w.user_id AS owner, true AS here, w.items, w.heats,
            coalesce(b.items, '{}') AS old_items, coalesce(b.heats, '{}') AS old_heats
        FROM (
            SELECT h.user_id, coalesce(k.items, '{}') AS items, coalesce(k.heats, '{}') AS heats
            FROM sync_heads h CROSS JOIN LATERAL recommendation_basket(h.user_id) AS k
            WHERE h.user_id = ANY (p_users)
        ) AS w LEFT JOIN recommendation_baskets b ON b.user_id = w.user_id
        WHERE w.items <> coalesce(b.items, '{}') OR w.heats <> coalesce(b.heats, '{}')
        UNION ALL SELECT id, false, '{}', '{}', items, heats FROM leavings
    ), kept AS (
        INSERT INTO recommendation_baskets AS b (user_id, items, heats)
        SELECT owner, items, heats FROM changed WHERE here
        ON CONFLICT ON CONSTRAINT recommendation_baskets_pkey DO UPDATE
        SET items = excluded.items, heats = excluded.heats
    ), parts AS MATERIALIZED (
        SELECT owner, item_id, sum(step * heat) AS heat, bool_or(step = 1) AS now, bool_or(step = -1) AS before
        FROM (
            SELECT owner, 1 AS step, n.item_id, n.heat FROM changed, unnest(items, heats) AS n (item_id, heat)
            UNION ALL SELECT owner, -1, n.item_id, n.heat
            FROM changed, unnest(old_items, old_heats) AS n (item_id, heat)
        ) AS steps GROUP BY owner, item_id
    ), pairs AS (
        SELECT least(x.item_id, y.item_id) AS item_a, greatest(x.item_id, y.item_id) AS item_b,
            sum((x.now AND y.now)::integer - (x.before AND y.before)::integer) AS step
        FROM parts x JOIN parts y ON y.owner = x.owner AND y.item_id <> x.item_id
        WHERE x.now <> x.before AND (y.now = y.before OR x.item_id < y.item_id)
        GROUP BY 1, 2
    ), paired AS (
        INSERT INTO recommendation_pairs AS p (item_a, item_b, users)
        SELECT item_a, item_b, step FROM pairs WHERE step <> 0
        ON CONFLICT ON CONSTRAINT recommendation_pairs_pkey DO UPDATE SET users = p.users + excluded.users
    ), counted AS (
        INSERT INTO recommendation_items AS i (item_id, users, heat, changes)
        SELECT t.item_id, sum(t.now::integer - t.before::integer), sum(t.heat),
            sum(CASE WHEN t.now <> t.before THEN greatest(o.items - 1, 1) ELSE o.moved END)
        FROM parts t JOIN (
            SELECT owner, count(*) AS items, count(*) FILTER (WHERE now <> before) AS moved FROM parts GROUP BY owner
        ) AS o USING (owner)
        GROUP BY t.item_id
        ON CONFLICT ON CONSTRAINT recommendation_items_pkey DO UPDATE SET users = i.users + excluded.users,
            heat = greatest(i.heat + excluded.heat, 0), changes = i.changes + excluded.changes
    )
    UPDATE recommendation_state SET users = users + coalesce(
        (SELECT sum((items <> '{}')::integer - (old_items <> '{}')::integer) FROM changed), 0)
$$;

CREATE FUNCTION x_log_x(x double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN x > 0 THEN x * ln(x) ELSE 0 END
$$;

-- Of a table of two times two counts: how much likelier they are if rows and columns depend on each other.
CREATE FUNCTION log_likelihood_ratio(
    p_both double precision, p_one double precision, p_other double precision, p_neither double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 2 * (x_log_x(p_both) + x_log_x(p_one) + x_log_x(p_other) + x_log_x(p_neither)
        - x_log_x(p_both + p_one) - x_log_x(p_other + p_neither)
        - x_log_x(p_both + p_other) - x_log_x(p_one + p_neither)
        + x_log_x(p_both + p_one + p_other + p_neither))
$$;

-- Finds the neighbours of the items whose pairs changed by a fiftieth of their buyers or more, those first that changed
-- most: the 20 strongest of those that at least three users bought with it, more often than chance would have it.
-- Chance is judged by Dunning's log-likelihood ratio of "bought it" against "bought the other": unrelated items come
-- above 3.84 once in twenty times. 20 users are added who bought neither: what the first few users of a market share is
-- not yet a rule of it. How strong a neighbour is: by how much likelier the item made it, as if ten more users had
-- bought both no oftener than by chance. True: others still wait.
CREATE FUNCTION recommendation_relate(p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    everybody CONSTANT double precision := (SELECT users + 20 FROM recommendation_state);
BEGIN
    UPDATE recommendation_items AS i SET
        neighbours = coalesce(n.neighbours, '{}'), strengths = coalesce(n.strengths, '{}'), changes = 0
    FROM (
        SELECT s.item_id, f.neighbours, f.strengths
        FROM (
            SELECT item_id, users FROM recommendation_items WHERE changes > 0 AND changes * 50 >= users
            ORDER BY changes / greatest(users, 1)::double precision DESC, item_id LIMIT p_limit
        ) AS s
        CROSS JOIN LATERAL (
            SELECT array_agg(b.other ORDER BY b.strength DESC, b.other) AS neighbours,
                array_agg(b.strength ORDER BY b.strength DESC, b.other) AS strengths
            FROM (
                SELECT p.other, (p.users - e.expected) / (s.users + 10) AS strength
                FROM (
                    SELECT item_b AS other, users FROM recommendation_pairs WHERE item_a = s.item_id AND users >= 3
                    UNION ALL SELECT item_a, users FROM recommendation_pairs WHERE item_b = s.item_id AND users >= 3
                ) AS p
                JOIN recommendation_items o ON o.item_id = p.other
                CROSS JOIN LATERAL (SELECT s.users * o.users / everybody AS expected) AS e
                WHERE p.users > e.expected AND log_likelihood_ratio(p.users, s.users - p.users, o.users - p.users,
                    everybody - s.users - o.users + p.users) > 3.84
                ORDER BY strength DESC, p.other LIMIT 20
            ) AS b
        ) AS f
    ) AS n
    WHERE i.item_id = n.item_id;
    RETURN EXISTS (SELECT FROM recommendation_items WHERE changes > 0 AND changes * 50 >= users);
END
$$;

-- What speaks for items to this user, one row an item: how many they own, how
-- strongly it is bought with what they own, and how often they bought it. The planner
-- guesses wrongly how many rows joins would give, and that costs ten times as much.
CREATE FUNCTION recommendation_marks(p_user uuid) RETURNS TABLE (
    item_id uuid, quantity numeric, strength double precision, times double precision
) LANGUAGE sql STABLE ROWS 100 AS $$
    WITH own AS MATERIALIZED (
        SELECT v.item_id, v.quantity, v.purchased_at FROM user_inventory v WHERE v.user_id = p_user AND v.quantity > 0
    ), recent AS MATERIALIZED (
        SELECT o.item_id FROM own o ORDER BY o.purchased_at DESC, o.item_id LIMIT 50
    )
    SELECT k.item_id, sum(k.quantity), sum(k.strength), sum(k.times) FROM (
        SELECT o.item_id, o.quantity, NULL::double precision AS strength, NULL::double precision AS times FROM own o
        UNION ALL SELECT n.item_id, NULL, n.strength, NULL
        FROM recent r JOIN recommendation_items i ON i.item_id = r.item_id
        CROSS JOIN LATERAL unnest(i.neighbours, i.strengths) AS n (item_id, strength)
        UNION ALL SELECT r.item_id, NULL, NULL, p.times FROM recent r CROSS JOIN LATERAL (
            SELECT count(*) AS purchases,
                sum(recommendation_weight(l.purchased_at)) / recommendation_weight(clock_timestamp()) AS times
            FROM (
                SELECT purchased_at FROM user_market_purchases
                WHERE user_id = p_user AND item_id = r.item_id AND refunded_at IS NULL
                ORDER BY purchased_at DESC LIMIT 10) AS l
        ) AS p WHERE p.purchases >= 2
    ) AS k GROUP BY k.item_id
$$;

-- What this user can buy at this moment, best first, each item with the first reason that holds.
CREATE FUNCTION market_recommend(p_user uuid) RETURNS TABLE (
    item_id uuid, score double precision, reason text, name_key text
) LANGUAGE sql STABLE ROWS 50 AS $$
    WITH moment AS MATERIALIZED (
        SELECT clock_timestamp() AS at, recommendation_weight(clock_timestamp()) AS weight,
            coalesce((SELECT total_coins FROM user_wallet WHERE user_id = p_user), 0) AS balance
    ), marks AS MATERIALIZED (
        SELECT item_id, quantity, strength, times FROM recommendation_marks(p_user)
    ), shelf AS (
        SELECT i.id, i.cost_coins, i.name_key, i.available, i.available_from, i.available_until, i.max_per_user,
            i.stock_remaining, i.consumable FROM market_items i
        UNION ALL SELECT p.id, p.cost_coins, p.name_key, true, NULL, NULL, NULL, NULL, true
        FROM market_personal_items p WHERE p.user_id = p_user AND p.deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM market_items c WHERE c.id = p.id)
    ), hottest AS MATERIALIZED (
        SELECT max(heat) AS heat FROM recommendation_items
    )
    SELECT s.id, CASE c.reason
            WHEN 'bought_together' THEN 0.4 + 0.6 * k.strength / (k.strength + 0.1)
            WHEN 'frequently_purchased' THEN 0.5 + 0.4 * k.times / (k.times + 2)
            WHEN 'trending' THEN 0.2 + 0.3 * i.heat / h.heat
            ELSE 0.2 * (1 - abs(2 * s.cost_coins / greatest(m.balance, 1)::double precision - 1))
        END AS score, c.reason, s.name_key
    FROM shelf s CROSS JOIN moment m CROSS JOIN hottest h
    LEFT JOIN marks k ON k.item_id = s.id
    LEFT JOIN recommendation_items i ON i.item_id = s.id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN k.strength IS NOT NULL THEN 'bought_together'
        WHEN k.times IS NOT NULL THEN 'frequently_purchased'
        WHEN i.heat > 1.5 * m.weight THEN 'trending'
        ELSE 'affordable' END AS reason) AS c
    WHERE s.available AND s.cost_coins <= m.balance AND (s.consumable OR k.quantity IS NULL)
        AND purchase_refusal(m.at, s.available, s.available_from, s.available_until, s.cost_coins, NULL,
            coalesce(k.quantity, 0)::bigint, s.max_per_user, s.stock_remaining, 1, m.balance) IS NULL
    ORDER BY score DESC, s.name_key, s.id LIMIT 50
$$;

-- Keeps the first 20 of these users' lists as they are now: beside what they buy next, they tell how good the lists
-- are. Answers are computed anew.
CREATE FUNCTION recommendation_keep(p_users uuid[]) RETURNS void LANGUAGE sql AS $$
    WITH people AS MATERIALIZED (
        SELECT user_id FROM sync_heads WHERE user_id = ANY (p_users) FOR KEY SHARE SKIP LOCKED
    ), lists AS MATERIALIZED (
        SELECT u.user_id, l.item_id, l.score, l.reason FROM people u
        CROSS JOIN LATERAL (SELECT item_id, score, reason FROM market_recommend(u.user_id) LIMIT 20) AS l
    ), gone AS (
        DELETE FROM market_recommendations m USING people u WHERE m.user_id = u.user_id
            AND NOT EXISTS (SELECT FROM lists l WHERE l.user_id = m.user_id AND l.item_id = m.item_id)
    )
    INSERT INTO market_recommendations AS m (user_id, item_id, score, reason)
    SELECT user_id, item_id, score, reason FROM lists
    ON CONFLICT ON CONSTRAINT market_recommendations_pkey DO UPDATE SET
        score = excluded.score, reason = excluded.reason, computed_at = excluded.computed_at
$$;

-- Whatever is committed later than now was bought later than this: a purchase takes its time after its transaction
-- began, and while it holds a lock and so a transaction id. A second less, for clocks that are set.
CREATE FUNCTION recommendation_settled() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT least(clock_timestamp(), min(xact_start)) - interval '1 second' FROM pg_stat_activity
        WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid());
END
$$;

-- The next users of the walk over all; null: that was the last.
CREATE FUNCTION recommendation_walk(p_to uuid, p_limit bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT array_agg(user_id ORDER BY user_id) FROM (
        (SELECT DISTINCT user_id FROM user_inventory WHERE user_id > p_to ORDER BY user_id LIMIT p_limit)
        UNION (SELECT user_id FROM recommendation_baskets WHERE user_id > p_to ORDER BY user_id LIMIT p_limit)
        ORDER BY user_id LIMIT p_limit) AS next);
END
$$;

-- One step of the work, by one process at a time: at most p_limit purchases and refunds since the last step, a part
-- of the walk over all users, and neighbours. It is one transaction, done or not done. more: there is work left;
-- null: another process is at it, or was less than p_pause ago.
CREATE FUNCTION recommendation_pass(p_limit bigint, p_pause interval, OUT more boolean, OUT counted bigint)
LANGUAGE plpgsql AS $$
DECLARE
    state record;
    latest timestamptz;
    found_users uuid[];
    walked uuid[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('lockstep recommendations', 0)) THEN
        RETURN;
    END IF;
    SELECT coalesce(going_on_at, counted_to) AS since, settled_at, walked_to, walked_at,
        passed_at > clock_timestamp() - p_pause AS fresh INTO state
    FROM recommendation_state;
    IF state.fresh THEN
        RETURN;
    END IF;
    state.settled_at := coalesce(state.settled_at, recommendation_settled());
    SELECT count(*), max(at), array_agg(DISTINCT user_id) INTO counted, latest, found_users FROM (
        SELECT user_id, purchased_at AS at FROM user_market_purchases WHERE purchased_at >= state.since
        UNION ALL SELECT user_id, refunded_at FROM user_market_purchases WHERE refunded_at >= state.since
        ORDER BY at FETCH FIRST p_limit ROWS WITH TIES) AS recent;
    more := counted >= p_limit AND latest > state.since;
    IF state.walked_to IS NULL AND state.walked_at < clock_timestamp() - interval '1 day' THEN
        state.walked_to := '00000000-0000-0000-0000-000000000000';
    END IF;
    IF state.walked_to IS NOT NULL THEN
        walked := recommendation_walk(state.walked_to, p_limit);
    END IF;
    PERFORM recommendation_count(found_users || walked);
    UPDATE recommendation_state SET
        counted_to = CASE WHEN more THEN counted_to ELSE greatest(counted_to, state.settled_at) END,
        going_on_at = CASE WHEN more THEN latest END,
        settled_at = CASE WHEN more THEN state.settled_at END,
        walked_to = walked[cardinality(walked)],
        walked_at = CASE WHEN walked IS NULL AND state.walked_to IS NOT NULL THEN clock_timestamp() ELSE walked_at END;
    IF state.walked_to IS NOT NULL AND walked IS NULL THEN
        -- The end of the walk: the smaller changes too, and what changed because there are more users now.
        UPDATE recommendation_items SET changes = greatest(changes, users, 1);
    END IF;
    more := recommendation_relate(greatest(CASE WHEN walked IS NULL THEN p_limit / 4 ELSE p_limit / 20 END, 10))
        OR more OR walked IS NOT NULL;
    PERFORM recommendation_keep(found_users[1:50]);
    IF NOT more THEN
        UPDATE recommendation_state SET passed_at = clock_timestamp();
    END IF;
END
$$;
