-- What completing focus sessions earns, in the transaction that completes them: at most one of each user, whose head is
-- locked and moves to the ending's version.
CREATE FUNCTION focus_completed(p_endings focus_ending[]) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    unpaid uuid[];
BEGIN
    -- A session must end, even one that a client gave the id of an old movement, or of who can earn
    -- no more: it ends unpaid, and says so.
    unpaid := ARRAY(SELECT e.user_id FROM unnest(p_endings) AS e WHERE e.coins > 0 AND (
        EXISTS (SELECT FROM market_transactions t WHERE t.user_id = e.user_id AND t.id = e.session_id)
        OR EXISTS (SELECT FROM user_wallet w
            WHERE w.user_id = e.user_id AND w.earned_coins > 9007199254740991 - e.coins)));
    PERFORM focus_mark_unpaid(e.user_id, e.session_id) FROM unnest(p_endings) AS e WHERE e.user_id = ANY (unpaid);
    RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body FROM wallets_earn(
        ARRAY(SELECT e FROM unnest(p_endings) AS e WHERE e.coins > 0 AND e.user_id <> ALL (unpaid))) AS d;
    RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body FROM focus_rewards(p_endings) AS d;
END
$$;

-- What wallet_move does, for what many users earned: at most one movement each. A test holds the two together.
CREATE FUNCTION wallets_earn(p_endings focus_ending[]) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
    WITH entry AS MATERIALIZED (
        SELECT e.user_id, e.session_id, e.coins, e.version, date_trunc('milliseconds', e.completed_at) AS at,
            coalesce(w.total_coins, 0) + e.coins AS total, coalesce(w.earned_coins, 0) + e.coins AS earned,
            coalesce(w.spent_coins, 0) AS spent, coalesce(w.seq, 0) + 1 AS seq,
            transaction_hash(coalesce(w.hash, ''), e.user_id, coalesce(w.seq, 0) + 1, e.session_id, 'earn', e.coins,
                coalesce(w.total_coins, 0) + e.coins, NULL, wire_time(e.completed_at), 'focus_session') AS hash
        FROM unnest(p_endings) AS e LEFT JOIN user_wallet w ON w.user_id = e.user_id
    ), wallet AS (
        INSERT INTO user_wallet AS w (user_id, total_coins, earned_coins, spent_coins, version, seq, hash)
        SELECT e.user_id, e.total, e.earned, e.spent, e.version, e.seq, e.hash FROM entry e
        ON CONFLICT ON CONSTRAINT user_wallet_pkey DO UPDATE SET total_coins = excluded.total_coins,
            earned_coins = excluded.earned_coins, version = excluded.version, seq = excluded.seq, hash = excluded.hash
    ), ledger AS (
        INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason,
            created_at, hash)
        SELECT e.user_id, e.seq, e.session_id, 'earn', e.coins, e.total, 'focus_session', e.at, e.hash FROM entry e
    )
    SELECT e.user_id, 'wallet', 'coins', e.version, wallet_body(e.total, e.earned, e.spent, e.version) FROM entry e;
END
$$;

-- Grants the rewards that are due with these, unclaimed, and were not granted before. The last one: seven local dates in a
-- row, the last of them this session's.
CREATE FUNCTION focus_rewards(p_endings focus_ending[]) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
    WITH counted AS MATERIALIZED (
        SELECT e.user_id, e.version, e.completed_at, w.earned, focus_completed_count(e.user_id, 100) AS completed
        FROM unnest(p_endings) AS e CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(u.reward_type), '{}') AS earned FROM user_rewards u
            WHERE u.user_id = e.user_id AND u.day IS NULL
                AND u.reward_type IN ('first_focus', 'focus_10', 'focus_100', 'streak_7')) AS w
        WHERE e.counts AND cardinality(w.earned) < 4
    ), granted AS (
        INSERT INTO user_rewards AS w (user_id, id, reward_type, coins_earned, created_at, version)
        SELECT c.user_id, uuid_v7(c.completed_at), t.type, t.coins, date_trunc('milliseconds', c.completed_at), c.version
        FROM counted c CROSS JOIN (VALUES
            ('first_focus', 10, 1), ('focus_10', 25, 10), ('focus_100', 100, 100), ('streak_7', 50, 7)
        ) AS t (type, coins, sessions)
        WHERE t.type <> ALL (c.earned) AND CASE WHEN c.completed < t.sessions THEN false
            WHEN t.type = 'streak_7' THEN focus_streak(c.user_id, c.completed_at) >= 7 ELSE true END
        ON CONFLICT DO NOTHING RETURNING w.user_id, w.id, w.version, reward_body(w) AS body
    )
    SELECT g.user_id, 'rewards', g.id::text, g.version, g.body FROM granted g;
END
$$;

-- On how many of the seven local dates that end with this moment's the user completed a session that counts.
CREATE FUNCTION focus_streak(p_user uuid, p_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    zone CONSTANT text := user_zone(p_user);
    today CONSTANT date := (p_at AT TIME ZONE zone)::date;
BEGIN
    RETURN focus_completed_days(p_user, zone, today - 6, today);
END
$$;
