-- A movement of coins as answers show it.
CREATE TYPE market_movement AS (wallet json, entry json);

-- Every coin that comes or goes: the wallet and the ledger, under the lock of the user's head, which the caller holds
-- and moves to p_version. Callers see to it that there is enough; the constraints hold it in any case.
CREATE FUNCTION wallet_move(
    p_user uuid, p_id uuid, p_type text, p_coins bigint, p_reason text, p_item uuid, p_version bigint, p_at timestamptz
) RETURNS market_movement LANGUAGE plpgsql AS $$
DECLARE
    move market_movement;
    w user_wallet;
    at_text CONSTANT text := wire_time(p_at);
    earned CONSTANT bigint := CASE p_type WHEN 'earn' THEN p_coins ELSE 0 END;
BEGIN
    -- No row: an empty wallet is made, and it is tried again. A row that does not match then is full.
    LOOP
        UPDATE user_wallet AS o SET total_coins = o.total_coins + p_coins, earned_coins = o.earned_coins + earned,
            spent_coins = o.spent_coins - (p_coins - earned), version = p_version, seq = o.seq + 1,
            hash = transaction_hash(o.hash, p_user, o.seq + 1, p_id, p_type, p_coins, o.total_coins + p_coins, p_item,
                at_text, p_reason),
            has_purchased = o.has_purchased OR p_type = 'spend'
        WHERE o.user_id = p_user AND o.earned_coins <= 9007199254740991 - earned
        RETURNING o.user_id, o.total_coins, o.earned_coins, o.spent_coins, o.version, o.seq, o.hash, o.has_purchased
        INTO w;
        EXIT WHEN FOUND;
        INSERT INTO user_wallet (user_id) VALUES (p_user) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE numeric_value_out_of_range USING MESSAGE = 'the wallet cannot hold that many coins';
        END IF;
    END LOOP;
    INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason, item_id,
        created_at, hash)
    VALUES (p_user, w.seq, p_id, p_type, p_coins, w.total_coins, p_reason, p_item, p_at, w.hash);
    move.wallet := wallet_body(w.total_coins, w.earned_coins, w.spent_coins, p_version);
    move.entry := transaction_body(
        p_id, p_type, p_coins, w.total_coins, p_reason, p_item, at_text, w.hash);
    RETURN move;
END
$$;

-- If-Match against the wallet: null where none was asked or it has that version (-1: any), else the refusal. A user
-- without a wallet's row has an empty one, at version 0.
CREATE FUNCTION wallet_mismatch(p_user uuid, p_match bigint[]) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object('code', 'version_mismatch', 'current', wallet_body(coalesce(w.total_coins, 0),
        coalesce(w.earned_coins, 0), coalesce(w.spent_coins, 0), coalesce(w.version, 0)))
    FROM (SELECT p_user AS user_id) u LEFT JOIN user_wallet w ON w.user_id = u.user_id
    WHERE NOT p_match && ARRAY[-1, coalesce(w.version, 0)]
$$;

-- Coins from whoever runs the server, once for an id: no device sent it.
CREATE FUNCTION coins_grant(p_user uuid, p_id uuid, p_coins bigint, p_reason text) RETURNS mutation_result
LANGUAGE plpgsql AS $$
BEGIN
    RETURN mutate(NULL, p_user, '00000000-0000-0000-0000-000000000000', p_id, NULL, 'market.grant',
        substring(sha256(convert_to(concat_ws(E'\n', 'market.grant', p_coins, p_reason), 'UTF8')) FOR 16),
        json_build_object('coins', p_coins, 'reason', p_reason), NULL, NULL, NULL, NULL);
END
$$;

-- market.grant: what `coins_grant` asks for.
CREATE FUNCTION market_grant(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    coins CONSTANT bigint := m.args ->> 'coins';
    move market_movement;
BEGIN
    IF EXISTS (SELECT FROM market_transactions WHERE user_id = m.user_id AND id = m.id) THEN
        -- Its answer was purged; the grant stands in the ledger.
        r.status := 'forgotten';
        r.replayed := true;
        RETURN r;
    ELSIF coins NOT BETWEEN 1 AND 1000000000000 THEN
        RAISE numeric_value_out_of_range USING MESSAGE = 'a grant is 1 to 1,000,000,000,000 coins';
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    move := wallet_move(m.user_id, m.id, 'earn', coins, m.args ->> 'reason', NULL, r.head,
        date_trunc('milliseconds', m.at));
    r.changed := ARRAY[('wallet', 'coins', r.head, move.wallet)]::document[];
    r.output := json_build_object('wallet', move.wallet, 'transaction', move.entry);
    RETURN r;
END
$$;
