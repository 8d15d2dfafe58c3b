-- RFC 9562 version 7, so that ids made later sort later.
CREATE FUNCTION uuid_v7(p_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM p_at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        6, 112 + get_byte(uuid_send(gen_random_uuid()), 0) % 16), 'hex')::uuid
$$;

-- Grants a reward, unclaimed: its document, or nothing when it was granted before.
CREATE FUNCTION reward_grant(
    p_user uuid, p_type text, p_coins bigint, p_day date, p_version bigint, p_at timestamptz
) RETURNS document[] LANGUAGE plpgsql AS $$
DECLARE
    one uuid;
    body json;
BEGIN
    INSERT INTO user_rewards AS w (user_id, id, reward_type, coins_earned, created_at, day, version)
    VALUES (p_user, uuid_v7(p_at), p_type, p_coins, p_at, p_day, p_version)
    ON CONFLICT DO NOTHING RETURNING w.id, reward_body(w) INTO one, body;
    RETURN CASE WHEN one IS NOT NULL THEN ARRAY[('rewards', one, p_version, body)::document] END;
END
$$;

-- market.claim: the coins of the reward `reward_id`, once.
CREATE FUNCTION market_claim(m mutation, r mutation_result) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    reward CONSTANT uuid := m.args ->> 'reward_id';
    at CONSTANT timestamptz := date_trunc('milliseconds', m.at);
    granted record;
    move market_movement;
    body json;
BEGIN
    SELECT reward_type, coins_earned, claimed INTO granted FROM user_rewards WHERE user_id = m.user_id AND id = reward;
    IF granted.claimed IS NULL THEN
        RETURN mutation_refuse(r, json_build_object('code', 'not_found'));
    END IF;
    r.problem := coalesce(wallet_mismatch(m.user_id, m.match),
        CASE WHEN granted.claimed THEN json_build_object('code', 'already_claimed') END);
    IF r.problem IS NOT NULL THEN
        RETURN mutation_refuse(r, r.problem);
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    UPDATE user_rewards AS w SET claimed = true, claimed_at = at, version = r.head
    WHERE w.user_id = m.user_id AND w.id = reward RETURNING reward_body(w) INTO body;
    move := wallet_move(
        m.user_id, m.id, 'earn', granted.coins_earned, 'reward:' || granted.reward_type, NULL, r.head, at);
    r.changed := ARRAY[
        ('wallet', 'coins', r.head, move.wallet), ('rewards', reward, r.head, body)]::document[];
    r.output := json_build_object('reward', body, 'wallet', move.wallet);
    RETURN r;
END
$$;

-- The user is here: grants daily_login on the first local date later than the last one granted. day_ends: until when
-- nobody need ask again, unless the time zone changes.
CREATE FUNCTION market_arrival(p_user uuid, OUT r mutation_result, OUT day_ends timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    zone text := user_zone(p_user);
    today date := (clock_timestamp() AT TIME ZONE zone)::date;
BEGIN
    day_ends := (today + 1)::timestamp AT TIME ZONE zone;
    r.replayed := true;
    r.status := 'applied';
    IF EXISTS (SELECT FROM user_rewards WHERE user_id = p_user AND day >= today) THEN
        RETURN;
    END IF;
    SELECT version, version INTO r.previous, r.head FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        r.status := 'gone';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM user_rewards WHERE user_id = p_user AND day >= today) THEN
        RETURN;
    END IF;
    r.replayed := false;
    r.head := r.previous + 1;
    r.version := r.head;
    r.changed := reward_grant(
        p_user, 'daily_login', 2, today, r.head, date_trunc('milliseconds', clock_timestamp()));
    UPDATE sync_heads SET version = r.head WHERE user_id = p_user;
END
$$;
