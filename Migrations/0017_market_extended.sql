-- Long because the market's tables and the functions that alone may write them are one migration: docs/decisions/0013.
--
-- Searching compares folded text: compatibility forms taken apart (NFKD), marks that combine left out, lower case, of the
-- Latin, Greek, Cyrillic, Armenian and Georgian scripts. Written out instead of taken from unaccent or the database's
-- locale, so that every cluster folds alike.
CREATE FUNCTION market_fold(p_text text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT replace(replace(replace(replace(replace(replace(replace(replace(translate(
        lower(regexp_replace(normalize(p_text, NFKD), U&'[\0300-\036F]', '', 'g') COLLATE "C"),
        'ƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩϏϘϚϜϞϠϢϤϦϨϪϬϮϷ'
        'ϺϽϾϿЂЄЅІЈЉЊЋЏАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔӘ'
        'ӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻ'
        'ᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿⱾⱿꟜ'
        'ႼႽႾႿჀჁჂჃჄჅჇჍØøŁłÐðĐđĦħŦŧŊŋıς',
        'ɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴƶʒƹƽǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳαβγδεζηθικλμνξοπρστυφχψωϗϙϛϝϟϡϣϥϧϩϫϭϯϸ'
        'ϻͻͼͽђєѕіјљњћџабвгдежзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕә'
        'ӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛ'
        'აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿȿɀƛ'
        'ⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭoollddddhhttnniσ'),
        'ß', 'ss'), 'ẞ', 'ss'), 'Æ', 'ae'), 'æ', 'ae'), 'Œ', 'oe'), 'œ', 'oe'), 'Þ', 'th'), 'þ', 'th')
$$;

-- RFC 9562 version 7, so that ids made later sort later.
CREATE FUNCTION uuid_v7(p_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM p_at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        6, 112 + get_byte(uuid_send(gen_random_uuid()), 0) % 16), 'hex')::uuid
$$;

-- What is searched is bounded as it is folded: one character may fold into eighteen.
--
-- The catalogue, which all users share: version is the shared sequence's number. Items are withdrawn, never deleted.
-- name_key is what lists are sorted by. One character may fold to eighteen: cut, so that an index and a URL can hold it.
CREATE TABLE market_items (
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    cost_coins bigint NOT NULL,
    category text NOT NULL,
    rarity text NOT NULL DEFAULT 'common',
    icon_url text,
    available boolean NOT NULL DEFAULT true,
    available_from timestamptz,
    available_until timestamptz,
    stock_remaining bigint,
    max_per_user bigint,
    consumable boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT shared_advance(),
    name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(market_fold(name), 200)) STORED,
    search text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (left(market_fold(name || ' ' || category || ' ' || description), 2500)) STORED,
    CONSTRAINT market_items_pkey PRIMARY KEY (id),
    CONSTRAINT market_items_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT market_items_category CHECK (length(category) BETWEEN 1 AND 100),
    CONSTRAINT market_items_cost CHECK (cost_coins BETWEEN 0 AND 9007199254740991),
    CONSTRAINT market_items_rarity CHECK (rarity IN ('common', 'rare', 'epic', 'legendary')),
    CONSTRAINT market_items_stock CHECK (stock_remaining BETWEEN 0 AND 9007199254740991),
    CONSTRAINT market_items_limit CHECK (max_per_user BETWEEN 1 AND 9007199254740991),
    CONSTRAINT market_items_window CHECK (available_from < available_until)
) WITH (fillfactor = 80);

CREATE INDEX market_items_changes ON market_items (version);
CREATE INDEX market_items_names ON market_items (name_key, id);

-- An item that is edited by hand is told to all devices too.
CREATE FUNCTION market_item_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := shared_advance();
    RETURN NEW;
END
$$;

CREATE TRIGGER market_items_edited BEFORE UPDATE ON market_items FOR EACH ROW
WHEN (OLD.version = NEW.version) EXECUTE FUNCTION market_item_edited();

-- What users reward themselves with: seen by nobody but their maker. A deleted one stays while its maker owns pieces of it.
CREATE TABLE market_personal_items (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    cost_coins bigint NOT NULL,
    category text NOT NULL DEFAULT 'personal',
    version bigint NOT NULL,
    deleted_at timestamptz,
    name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(market_fold(name), 200)) STORED,
    search text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (left(market_fold(name || ' ' || category || ' ' || description), 2500)) STORED,
    CONSTRAINT market_personal_items_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT market_personal_items_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT market_personal_items_category CHECK (length(category) BETWEEN 1 AND 100),
    CONSTRAINT market_personal_items_cost CHECK (cost_coins BETWEEN 0 AND 9007199254740991)
);

CREATE INDEX market_personal_items_changes ON market_personal_items (user_id, version);
CREATE INDEX market_personal_items_tombstones ON market_personal_items (deleted_at) WHERE deleted_at IS NOT NULL;

-- The ledger's sums, kept at hand, and where its chain ends. Written by wallet_move alone.
CREATE TABLE user_wallet (
    user_id uuid NOT NULL,
    total_coins bigint NOT NULL DEFAULT 0,
    earned_coins bigint NOT NULL DEFAULT 0,
    spent_coins bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    -- The number and the hash of the last entry; 0 and '' before the first.
    seq bigint NOT NULL DEFAULT 0,
    hash text NOT NULL DEFAULT '',
    has_purchased boolean NOT NULL DEFAULT false,
    CONSTRAINT user_wallet_pkey PRIMARY KEY (user_id),
    CONSTRAINT user_wallet_sum CHECK (total_coins = earned_coins - spent_coins),
    CONSTRAINT user_wallet_range CHECK (
        total_coins >= 0 AND spent_coins >= 0 AND earned_coins <= 9007199254740991)
) WITH (fillfactor = 50);

-- The ledger: one row a movement, numbered 1, 2, 3 … within its user, each with the balance after it and a hash that
-- chains to the row before it.
CREATE TABLE market_transactions (
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    transaction_type text NOT NULL,
    coins_amount bigint NOT NULL,
    balance_after bigint NOT NULL,
    reason text NOT NULL,
    item_id uuid,
    created_at timestamptz NOT NULL,
    hash text NOT NULL,
    CONSTRAINT market_transactions_pkey PRIMARY KEY (user_id, seq),
    -- A mutation, a focus session, a grant: each moves coins once.
    CONSTRAINT market_transactions_id_unique UNIQUE (user_id, id),
    CONSTRAINT market_transactions_type CHECK (CASE transaction_type
        WHEN 'earn' THEN coins_amount > 0 WHEN 'spend' THEN coins_amount <= 0 WHEN 'refund' THEN coins_amount >= 0
        ELSE false END),
    CONSTRAINT market_transactions_amount CHECK (coins_amount BETWEEN -9007199254740991 AND 9007199254740991),
    CONSTRAINT market_transactions_balance CHECK (balance_after BETWEEN 0 AND 9007199254740991)
);

-- Nothing in the ledger is changed or removed, whoever asks. The one exception is the erasure of a whole account, known by
-- its function standing on the call stack with exactly `DELETE FROM market_transactions WHERE user_id = $1`: a setting could
-- be made by anybody, and a looser look at the stack could be fooled by a statement that quotes the function's name.
-- PostgreSQL writes the stack in the language of lc_messages. What stands around a statement and before a function's name
-- is therefore read off the stack of a statement of the guard's own.
CREATE FUNCTION market_transactions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    probe CONSTANT text := 'SELECT 1 / 0';
    stack text;
    frames text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        BEGIN
            EXECUTE probe;
        EXCEPTION WHEN division_by_zero THEN
            GET STACKED DIAGNOSTICS stack = PG_EXCEPTION_CONTEXT;
        END;
        -- The probe, this function, the statement that deletes, and who runs it.
        frames := string_to_array(stack, E'\n');
        IF frames[3] = replace(frames[1], probe, 'DELETE FROM market_transactions WHERE user_id = $1')
            AND starts_with(frames[4], split_part(frames[2], 'market_transactions_refuse()', 1) || 'account_erase(uuid)')
        THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the ledger is only appended to: % of market_transactions is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER market_transactions_kept BEFORE UPDATE OR DELETE ON market_transactions
FOR EACH ROW EXECUTE FUNCTION market_transactions_refuse();
CREATE TRIGGER market_transactions_not_emptied BEFORE TRUNCATE ON market_transactions
FOR EACH STATEMENT EXECUTE FUNCTION market_transactions_refuse();

-- DELETE stays with the owner, for account_erase; the trigger guards it.
REVOKE ALL ON market_transactions FROM PUBLIC;
REVOKE UPDATE, TRUNCATE ON market_transactions FROM CURRENT_USER;

-- What an entry's hash is: the lower-case hex SHA-256 of these ten lines in UTF-8, joined by LF: the hash of the user's
-- entry before it (empty for the first), user_id, seq, id, transaction_type, coins_amount, balance_after, item_id (empty
-- when there is none), created_at as wire_time writes it (2026-01-10T12:00:00.000Z), reason. Numbers are decimal, ids
-- lower case: as the API shows them, so that a user can check the chain without this database.
CREATE FUNCTION transaction_hash(
    p_previous text, p_user uuid, p_seq bigint, p_id uuid, p_type text, p_coins bigint, p_balance bigint, p_item uuid,
    p_at text, p_reason text
) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(concat_ws(E'\n', p_previous, p_user, p_seq, p_id, p_type, p_coins, p_balance,
        coalesce(p_item::text, ''), p_at, p_reason), 'UTF8')), 'hex')
$$;

-- Each purchase, as refund and redeem need it. id is the mutation's, and the ledger entry's.
CREATE TABLE user_market_purchases (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    item_id uuid NOT NULL,
    quantity bigint NOT NULL,
    cost_paid_coins bigint NOT NULL,
    purchased_at timestamptz NOT NULL,
    -- How many of `quantity`.
    redeemed bigint NOT NULL DEFAULT 0,
    refunded_at timestamptz,
    version bigint NOT NULL,
    CONSTRAINT user_market_purchases_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT user_market_purchases_quantity CHECK (quantity BETWEEN 1 AND 99),
    CONSTRAINT user_market_purchases_redeemed CHECK (redeemed BETWEEN 0 AND quantity),
    CONSTRAINT user_market_purchases_refund CHECK (refunded_at IS NULL OR redeemed = 0)
);

CREATE INDEX user_market_purchases_pieces ON user_market_purchases (user_id, item_id, purchased_at)
WHERE refunded_at IS NULL;

-- The sum of a user's purchases of an item that were not refunded, so that a purchase need not add them up. quantity 0 is
-- the tombstone. No index by version: a user has few of these, and a row that no index names is updated in place.
CREATE TABLE user_inventory (
    user_id uuid NOT NULL,
    item_id uuid NOT NULL,
    quantity bigint NOT NULL,
    cost_paid_coins bigint NOT NULL,
    -- Of the latest of these purchases.
    purchased_at timestamptz NOT NULL,
    redeemed bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL,
    emptied_at timestamptz,
    CONSTRAINT user_inventory_pkey PRIMARY KEY (user_id, item_id),
    CONSTRAINT user_inventory_redeemed CHECK (0 <= redeemed AND redeemed <= quantity),
    CONSTRAINT user_inventory_emptied CHECK ((quantity = 0) = (emptied_at IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX user_inventory_tombstones ON user_inventory (emptied_at) WHERE emptied_at IS NOT NULL;

-- Granted by the server, unclaimed; day is the local date of a daily_login.
CREATE TABLE user_rewards (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    reward_type text NOT NULL,
    coins_earned bigint NOT NULL,
    claimed boolean NOT NULL DEFAULT false,
    claimed_at timestamptz,
    created_at timestamptz NOT NULL,
    day date,
    version bigint NOT NULL,
    CONSTRAINT user_rewards_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT user_rewards_type CHECK (reward_type IN (
        'first_focus', 'focus_10', 'focus_100', 'streak_7', 'daily_login', 'first_purchase')),
    CONSTRAINT user_rewards_coins CHECK (coins_earned BETWEEN 1 AND 1000000000000),
    CONSTRAINT user_rewards_claimed CHECK (claimed = (claimed_at IS NOT NULL)),
    CONSTRAINT user_rewards_day CHECK ((reward_type = 'daily_login') = (day IS NOT NULL))
);

CREATE UNIQUE INDEX user_rewards_once ON user_rewards (user_id, reward_type) WHERE day IS NULL;
CREATE UNIQUE INDEX user_rewards_day_once ON user_rewards (user_id, day) WHERE day IS NOT NULL;
CREATE INDEX user_rewards_changes ON user_rewards (user_id, version);

-- What a user may like, best score first; computed from purchases, never synced.
CREATE TABLE market_recommendations (
    user_id uuid NOT NULL,
    item_id uuid NOT NULL,
    score double precision NOT NULL,
    reason text NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT market_recommendations_pkey PRIMARY KEY (user_id, item_id),
    CONSTRAINT market_recommendations_score CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT market_recommendations_reason CHECK (
        reason IN ('bought_together', 'frequently_purchased', 'trending', 'affordable'))
);

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

-- The catalogue and what p_user made, in one shape; nobody else's. Should an item of the catalogue have come under the id of
-- one that a user made, an id is the catalogue's.
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

-- The documents of the market, a user's own and those that all users share; NULL: deleted. A user without a wallet's row has
-- an empty one, at version 0.
CREATE VIEW market_documents AS
    SELECT h.user_id, 'wallet' AS collection, 'coins' AS id, coalesce(w.version, 0) AS version,
        wallet_body(coalesce(w.total_coins, 0), coalesce(w.earned_coins, 0), coalesce(w.spent_coins, 0),
            coalesce(w.version, 0)) AS value
    FROM sync_heads h LEFT JOIN user_wallet w ON w.user_id = h.user_id
    UNION ALL SELECT v.user_id, 'inventory', v.item_id::text, v.version, CASE WHEN v.quantity > 0 THEN inventory_body(v) END
    FROM user_inventory v
    UNION ALL SELECT w.user_id, 'rewards', w.id::text, w.version, reward_body(w) FROM user_rewards w
    UNION ALL SELECT p.user_id, 'personal_items', p.id::text, p.version,
        CASE WHEN p.deleted_at IS NULL THEN personal_item_body(p) END
    FROM market_personal_items p;

CREATE VIEW market_item_documents AS
    SELECT i.id::text AS id, i.version, item_body(i) AS value FROM market_items i;

-- A movement of coins as answers show it.
CREATE TYPE market_movement AS (wallet json, entry json);

-- Every coin that comes or goes: the wallet and the ledger, under the lock of the user's head, which the caller holds and
-- moves to p_version. Callers see to it that there is enough; the constraints hold it in any case.
CREATE FUNCTION wallet_move(
    p_user uuid, p_id uuid, p_type text, p_coins bigint, p_reason text, p_item uuid, p_version bigint, p_at timestamptz
) RETURNS market_movement LANGUAGE plpgsql AS $$
DECLARE
    m market_movement;
    w user_wallet;
    written text := wire_time(p_at);
BEGIN
    SELECT user_id, total_coins, earned_coins, spent_coins, version, seq, hash, has_purchased INTO w
    FROM user_wallet WHERE user_id = p_user;
    IF NOT FOUND THEN
        w := (p_user, 0, 0, 0, 0, 0, '', false);
        INSERT INTO user_wallet (user_id) VALUES (p_user);
    END IF;
    IF p_type = 'earn' THEN
        IF w.earned_coins > 9007199254740991 - p_coins THEN
            RAISE numeric_value_out_of_range USING MESSAGE = 'the wallet cannot hold that many coins';
        END IF;
        w.earned_coins := w.earned_coins + p_coins;
    ELSE
        w.spent_coins := w.spent_coins - p_coins;
    END IF;
    w.total_coins := w.total_coins + p_coins;
    w.seq := w.seq + 1;
    w.hash := transaction_hash(
        w.hash, p_user, w.seq, p_id, p_type, p_coins, w.total_coins, p_item, written, p_reason);
    UPDATE user_wallet SET total_coins = w.total_coins, earned_coins = w.earned_coins, spent_coins = w.spent_coins,
        version = p_version, seq = w.seq, hash = w.hash, has_purchased = w.has_purchased OR p_type = 'spend'
    WHERE user_id = p_user;
    INSERT INTO market_transactions (user_id, seq, id, transaction_type, coins_amount, balance_after, reason, item_id,
        created_at, hash)
    VALUES (p_user, w.seq, p_id, p_type, p_coins, w.total_coins, p_reason, p_item, p_at, w.hash);
    m.wallet := wallet_body(w.total_coins, w.earned_coins, w.spent_coins, p_version);
    m.entry := transaction_body(
        p_id, p_type, p_coins, w.total_coins, p_reason, p_item, written, w.hash);
    RETURN m;
END
$$;

-- Grants a reward, unclaimed: its document as a triple, or nothing when it was granted before.
CREATE FUNCTION reward_grant(
    p_user uuid, p_type text, p_coins bigint, p_day date, p_version bigint, p_at timestamptz
) RETURNS text[] LANGUAGE sql AS $$
    WITH granted AS (
        INSERT INTO user_rewards AS w (user_id, id, reward_type, coins_earned, created_at, day, version)
        VALUES (p_user, uuid_v7(p_at), p_type, p_coins, p_at, p_day, p_version)
        ON CONFLICT DO NOTHING RETURNING w.id, reward_body(w) AS body
    )
    SELECT coalesce((SELECT ARRAY['rewards', id::text, body::text] FROM granted), '{}')
$$;

-- What a wallet is held to that a client has seen: null when it has that version (-1: any; null: he does not care), else the
-- refusal. A user without a wallet's row has an empty one, at version 0.
CREATE FUNCTION wallet_mismatch(p_user uuid, p_match bigint) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object('code', 'version_mismatch', 'current', wallet_body(coalesce(w.total_coins, 0),
        coalesce(w.earned_coins, 0), coalesce(w.spent_coins, 0), coalesce(w.version, 0)))
    FROM (SELECT p_user AS user_id) u LEFT JOIN user_wallet w ON w.user_id = u.user_id
    WHERE p_match NOT IN (-1, coalesce(w.version, 0))
$$;

-- Whether an item may be bought now: the code of the first refusal with its members, or null. The order is the contract's.
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

-- market.purchase: one statement, one round trip. An item's price and window are what was committed when the user's lock
-- was held; stock is looked at twice, without a lock (a sold-out item costs nobody a wait) and again under the shared one.
-- p_match, here and below: If-Match, -1 for `*`; of a purchase, a refund and a claim against the wallet.
CREATE FUNCTION market_purchase(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_item uuid,
    p_quantity bigint, p_expected bigint, p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    at timestamptz;
    one record;
    m market_movement;
    inventory json;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    at := date_trunc('milliseconds', clock_timestamp());
    FOR attempt IN 1..2 LOOP
        SELECT i.cost_coins, i.stock_remaining, v.quantity AS owned, w.has_purchased, purchase_refusal(
            at, i.available, i.available_from, i.available_until, i.cost_coins, p_expected, coalesce(v.quantity, 0),
            i.max_per_user, i.stock_remaining, p_quantity, coalesce(w.total_coins, 0)) AS refusal
        INTO one FROM market_items i
        LEFT JOIN user_inventory v ON v.user_id = p_user AND v.item_id = i.id
        LEFT JOIN user_wallet w ON w.user_id = p_user
        WHERE i.id = p_item;
        IF NOT FOUND THEN
            SELECT i.cost_coins, NULL::bigint AS stock_remaining, v.quantity AS owned, w.has_purchased, purchase_refusal(
                at, true, NULL, NULL, i.cost_coins, p_expected, 0, NULL, NULL, p_quantity,
                coalesce(w.total_coins, 0)) AS refusal
            INTO one FROM market_personal_items i
            LEFT JOIN user_inventory v ON v.user_id = p_user AND v.item_id = i.id
            LEFT JOIN user_wallet w ON w.user_id = p_user
            WHERE i.user_id = p_user AND i.id = p_item AND i.deleted_at IS NULL;
            IF NOT FOUND THEN
                one.refusal := json_build_object('code', 'not_found');
                EXIT;
            END IF;
        END IF;
        IF p_match IS NOT NULL THEN
            one.refusal := coalesce(wallet_mismatch(p_user, p_match), one.refusal);
        END IF;
        EXIT WHEN one.refusal IS NOT NULL OR one.stock_remaining IS NULL OR attempt = 2;
        PERFORM FROM sync_shared FOR NO KEY UPDATE;
        at := date_trunc('milliseconds', clock_timestamp());
    END LOOP;
    IF one.refusal IS NOT NULL THEN
        r.status := 'rejected';
        r.problem := one.refusal;
        PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
        RETURN r;
    END IF;
    r.status := 'applied';
    r.head := r.previous + 1;
    r.version := r.head;
    m := wallet_move(p_user, p_id, 'spend', -one.cost_coins * p_quantity, 'purchase', p_item, r.head, at);
    INSERT INTO user_market_purchases (user_id, id, item_id, quantity, cost_paid_coins, purchased_at, version)
    VALUES (p_user, p_id, p_item, p_quantity, one.cost_coins * p_quantity, at, r.head);
    IF one.owned IS NULL THEN
        INSERT INTO user_inventory AS v (user_id, item_id, quantity, cost_paid_coins, purchased_at, version)
        VALUES (p_user, p_item, p_quantity, one.cost_coins * p_quantity, at, r.head)
        RETURNING inventory_body(v) INTO inventory;
    ELSE
        UPDATE user_inventory AS v SET quantity = v.quantity + p_quantity,
            cost_paid_coins = v.cost_paid_coins + one.cost_coins * p_quantity, purchased_at = at, version = r.head,
            emptied_at = NULL
        WHERE v.user_id = p_user AND v.item_id = p_item RETURNING inventory_body(v) INTO inventory;
    END IF;
    r.changed := ARRAY['wallet', 'coins', m.wallet::text, 'inventory', p_item::text, inventory::text];
    IF one.has_purchased IS NOT TRUE THEN
        r.changed := r.changed || reward_grant(p_user, 'first_purchase', 5, NULL, r.head, at);
    END IF;
    IF one.stock_remaining IS NOT NULL THEN
        r.shared := shared_advance();
        UPDATE market_items SET stock_remaining = stock_remaining - p_quantity, version = r.shared WHERE id = p_item;
    END IF;
    r.output := json_build_object(
        'purchase', json_build_object(
            'id', p_id, 'item_id', p_item, 'quantity', p_quantity, 'cost_paid_coins', one.cost_coins * p_quantity,
            'purchased_at', wire_time(at)),
        'wallet', m.wallet, 'transaction', m.entry);
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
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

-- market.redeem: uses pieces up, those of the oldest purchases first, because these cannot be refunded soonest. What is not
-- consumable is owned and cannot be used up. p_match: against the inventory's row.
CREATE FUNCTION market_redeem(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_item uuid, p_quantity bigint,
    p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    body json;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    r.head := r.previous + 1;
    IF p_match IS NOT NULL AND NOT EXISTS (
        SELECT FROM user_inventory v WHERE v.user_id = p_user AND v.item_id = p_item AND v.quantity > 0
            AND p_match IN (-1, v.version))
    THEN
        r.problem := json_build_object('code', 'version_mismatch', 'current', (
            SELECT inventory_row(v) FROM user_inventory v
            WHERE v.user_id = p_user AND v.item_id = p_item AND v.quantity > 0));
    END IF;
    UPDATE user_inventory AS v SET redeemed = v.redeemed + p_quantity, version = r.head
    WHERE r.problem IS NULL AND v.user_id = p_user AND v.item_id = p_item AND v.redeemed + p_quantity <= v.quantity
        AND coalesce((SELECT consumable FROM market_items WHERE id = p_item), true)
    RETURNING inventory_body(v), inventory_row(v) INTO body, r.output;
    IF FOUND THEN
        r.status := 'applied';
        r.version := r.head;
        r.changed := ARRAY['inventory', p_item::text, body::text];
        UPDATE user_market_purchases p SET redeemed = p.redeemed + u.used, version = r.head
        FROM (
            SELECT id, least(free, p_quantity - (sum(free) OVER earlier - free)) AS used
            FROM (
                SELECT id, purchased_at, quantity - redeemed AS free FROM user_market_purchases
                WHERE user_id = p_user AND item_id = p_item AND refunded_at IS NULL AND redeemed < quantity
            ) AS pieces
            WINDOW earlier AS (ORDER BY purchased_at, id)
        ) AS u
        WHERE p.user_id = p_user AND p.id = u.id AND u.used > 0;
    ELSE
        r.head := r.previous;
        r.status := 'rejected';
        IF NOT EXISTS (SELECT FROM user_inventory WHERE user_id = p_user AND item_id = p_item)
            AND NOT EXISTS (SELECT FROM market_items_of(p_user) WHERE id = p_item)
        THEN
            r.problem := json_build_object('code', 'not_found');
        ELSIF r.problem IS NULL THEN
            r.problem := json_build_object('code', 'nothing_to_redeem');
        END IF;
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;

-- market.refund: the whole purchase of that transaction, within 24 hours, nothing of it redeemed, once. Coins and stock go
-- back to where they came from.
CREATE FUNCTION market_refund(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_transaction uuid,
    p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    at timestamptz;
    bought record;
    m market_movement;
    body json;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    at := date_trunc('milliseconds', clock_timestamp());
    SELECT item_id, quantity, cost_paid_coins,
        refunded_at IS NULL AND redeemed = 0 AND purchased_at > at - interval '24 hours' AS refundable
    INTO bought FROM user_market_purchases WHERE user_id = p_user AND id = p_transaction;
    IF NOT EXISTS (SELECT FROM market_transactions WHERE user_id = p_user AND id = p_transaction) THEN
        r.problem := json_build_object('code', 'not_found');
    ELSE
        r.problem := coalesce(wallet_mismatch(p_user, p_match),
            CASE WHEN bought.refundable IS NOT TRUE THEN json_build_object('code', 'not_refundable') END);
    END IF;
    IF r.problem IS NOT NULL THEN
        r.status := 'rejected';
    ELSE
        r.status := 'applied';
        r.head := r.previous + 1;
        r.version := r.head;
        IF EXISTS (SELECT FROM market_items WHERE id = bought.item_id AND stock_remaining IS NOT NULL) THEN
            -- The limit may be lifted until the lock is held: what changes nothing must not move the shared sequence.
            PERFORM FROM sync_shared FOR NO KEY UPDATE;
            IF EXISTS (SELECT FROM market_items WHERE id = bought.item_id AND stock_remaining IS NOT NULL) THEN
                r.shared := shared_advance();
                UPDATE market_items SET stock_remaining = stock_remaining + bought.quantity, version = r.shared
                WHERE id = bought.item_id;
            END IF;
        END IF;
        m := wallet_move(
            p_user, p_id, 'refund', bought.cost_paid_coins, 'refund', bought.item_id, r.head, at);
        UPDATE user_market_purchases SET refunded_at = at, version = r.head
        WHERE user_id = p_user AND id = p_transaction;
        UPDATE user_inventory AS v SET
            quantity = v.quantity - bought.quantity, cost_paid_coins = v.cost_paid_coins - bought.cost_paid_coins,
            purchased_at = coalesce((SELECT max(p.purchased_at) FROM user_market_purchases p
                WHERE p.user_id = p_user AND p.item_id = bought.item_id AND p.refunded_at IS NULL), v.purchased_at),
            version = r.head, emptied_at = CASE WHEN v.quantity = bought.quantity THEN at END
        WHERE v.user_id = p_user AND v.item_id = bought.item_id
        RETURNING CASE WHEN v.quantity > 0 THEN inventory_body(v) END INTO body;
        r.changed := ARRAY['wallet', 'coins', m.wallet::text, 'inventory', bought.item_id::text, body::text];
        r.output := json_build_object('wallet', m.wallet, 'transaction', m.entry);
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;

-- market.claim: a reward's coins, once.
CREATE FUNCTION market_claim(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_reward uuid,
    p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    at timestamptz;
    granted record;
    m market_movement;
    body json;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    at := date_trunc('milliseconds', clock_timestamp());
    SELECT reward_type, coins_earned, claimed INTO granted
    FROM user_rewards WHERE user_id = p_user AND id = p_reward;
    IF granted.claimed IS NULL THEN
        r.problem := json_build_object('code', 'not_found');
    ELSE
        r.problem := coalesce(wallet_mismatch(p_user, p_match),
            CASE WHEN granted.claimed THEN json_build_object('code', 'already_claimed') END);
    END IF;
    IF r.problem IS NOT NULL THEN
        r.status := 'rejected';
    ELSE
        r.status := 'applied';
        r.head := r.previous + 1;
        r.version := r.head;
        UPDATE user_rewards AS w SET claimed = true, claimed_at = at, version = r.head
        WHERE w.user_id = p_user AND w.id = p_reward RETURNING reward_body(w) INTO body;
        m := wallet_move(p_user, p_id, 'earn', granted.coins_earned, 'reward:' || granted.reward_type, NULL, r.head, at);
        r.changed := ARRAY['wallet', 'coins', m.wallet::text, 'rewards', p_reward::text, body::text];
        r.output := json_build_object('reward', body, 'wallet', m.wallet);
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;

-- market.items.create, .patch and .delete of a user's own item; a null leaves a member as it is.
CREATE FUNCTION market_personal_write(
    p_user uuid, p_device uuid, p_id uuid, p_seq bigint, p_name text, p_fingerprint bytea, p_item uuid,
    p_title text, p_cost bigint, p_description text, p_category text, p_match bigint
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    one market_personal_items;
    at timestamptz;
BEGIN
    r := mutation_begin(p_user, p_device, p_id, p_seq, p_fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    IF p_name = 'market.items.create' AND EXISTS (SELECT FROM market_items WHERE id = p_id) THEN
        -- A client chose the id of something that all users know.
        r.status := 'reused';
        RETURN r;
    END IF;
    at := date_trunc('milliseconds', clock_timestamp());
    r.head := r.previous + 1;
    IF p_name = 'market.items.create' THEN
        IF (SELECT count(*) FROM market_personal_items WHERE user_id = p_user AND deleted_at IS NULL) >= 1000 THEN
            r.problem := json_build_object('code', 'too_many_items');
        ELSE
            INSERT INTO market_personal_items AS p (user_id, id, name, description, cost_coins, category, version)
            VALUES (p_user, p_id, p_title, coalesce(p_description, ''), p_cost, coalesce(p_category, 'personal'), r.head)
            RETURNING p.user_id, p.id, p.name, p.description, p.cost_coins, p.category, p.version, p.deleted_at,
                p.name_key, p.search INTO one;
        END IF;
    ELSE
        SELECT p.user_id, p.id, p.name, p.description, p.cost_coins, p.category, p.version, p.deleted_at, p.name_key,
            p.search INTO one
        FROM market_personal_items p WHERE p.user_id = p_user AND p.id = p_item AND p.deleted_at IS NULL;
        IF NOT FOUND THEN
            r.problem := json_build_object('code', 'not_found');
        ELSIF p_match IS NOT NULL AND p_match NOT IN (-1, one.version) THEN
            r.problem := json_build_object('code', 'version_mismatch', 'current', personal_item_body(one));
        ELSIF p_name = 'market.items.patch'
            AND (coalesce(p_title, one.name), coalesce(p_cost, one.cost_coins),
                coalesce(p_description, one.description), coalesce(p_category, one.category))
                = (one.name, one.cost_coins, one.description, one.category)
        THEN
            r.head := r.previous;
        ELSE
            UPDATE market_personal_items AS p SET
                name = coalesce(p_title, p.name), cost_coins = coalesce(p_cost, p.cost_coins),
                description = coalesce(p_description, p.description), category = coalesce(p_category, p.category),
                version = r.head, deleted_at = CASE p_name WHEN 'market.items.delete' THEN at END
            WHERE p.user_id = p_user AND p.id = p_item
            RETURNING p.user_id, p.id, p.name, p.description, p.cost_coins, p.category, p.version, p.deleted_at,
                p.name_key, p.search INTO one;
        END IF;
    END IF;
    IF r.problem IS NOT NULL THEN
        r.status := 'rejected';
        r.head := r.previous;
    ELSE
        r.status := 'applied';
        r.version := one.version;
        IF one.deleted_at IS NULL THEN
            r.output := personal_item_body(one);
        END IF;
        r.document := json_build_object(
            'collection', 'personal_items', 'id', one.id, 'value', r.output, 'version', one.version);
        IF r.head > r.previous THEN
            r.changed := ARRAY['personal_items', one.id::text, r.output::text];
        END IF;
    END IF;
    PERFORM mutation_finish(p_user, p_device, p_id, p_seq, p_name, p_fingerprint, r);
    RETURN r;
END
$$;

-- Coins from whoever runs the server, once for an id.
CREATE FUNCTION market_grant(p_user uuid, p_id uuid, p_coins bigint, p_reason text) RETURNS mutation_result
LANGUAGE plpgsql AS $$
DECLARE
    r mutation_result;
    m market_movement;
    -- No device sent it.
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    fingerprint bytea := sha256(convert_to(concat_ws(E'\n', 'market.grant', p_coins, p_reason), 'UTF8'));
BEGIN
    r := mutation_begin(p_user, nobody, p_id, NULL, fingerprint);
    IF r.status IS NOT NULL THEN
        RETURN r;
    END IF;
    r.status := 'applied';
    IF EXISTS (SELECT FROM market_transactions WHERE user_id = p_user AND id = p_id) THEN
        r.replayed := true;
        RETURN r;
    END IF;
    IF p_coins NOT BETWEEN 1 AND 1000000000000 THEN
        RAISE numeric_value_out_of_range USING MESSAGE = 'a grant is 1 to 1,000,000,000,000 coins';
    END IF;
    r.head := r.previous + 1;
    r.version := r.head;
    m := wallet_move(
        p_user, p_id, 'earn', p_coins, p_reason, NULL, r.head, date_trunc('milliseconds', clock_timestamp()));
    r.changed := ARRAY['wallet', 'coins', m.wallet::text];
    r.output := json_build_object('wallet', m.wallet, 'transaction', m.entry);
    PERFORM mutation_finish(p_user, nobody, p_id, NULL, 'market.grant', fingerprint, r);
    RETURN r;
END
$$;

-- The user's time zone; UTC where the setting is missing or names one that this PostgreSQL does not know.
CREATE FUNCTION user_zone(p_user uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text;
BEGIN
    SELECT value #>> '{}' INTO zone FROM user_settings WHERE user_id = p_user AND key = 'time_zone';
    IF zone IS NULL OR zone = 'UTC' THEN
        RETURN 'UTC';
    END IF;
    PERFORM clock_timestamp() AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
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

-- What completing a focus session earns, in the transaction that completes it; r.head is the new head already.
CREATE OR REPLACE FUNCTION focus_completed(
    p_user uuid, p_session uuid, p_coins bigint, p_at timestamptz, r mutation_result
) RETURNS mutation_result LANGUAGE plpgsql AS $$
DECLARE
    m market_movement;
    at timestamptz := date_trunc('milliseconds', p_at);
    earned text[];
    completed bigint;
    days bigint;
    zone text;
BEGIN
    -- A session must end, even one that a client gave the id of an old movement, or of who can earn no more: it ends unpaid,
    -- and says so.
    IF p_coins > 0 AND (
        EXISTS (SELECT FROM market_transactions WHERE user_id = p_user AND id = p_session)
        OR EXISTS (SELECT FROM user_wallet WHERE user_id = p_user AND earned_coins > 9007199254740991 - p_coins))
    THEN
        UPDATE focus_sessions SET coins_awarded = 0 WHERE user_id = p_user AND id = p_session;
    ELSIF p_coins > 0 THEN
        m := wallet_move(p_user, p_session, 'earn', p_coins, 'focus_session', NULL, r.head, at);
        r.changed := r.changed || ARRAY['wallet', 'coins', m.wallet::text];
    END IF;
    SELECT array_agg(reward_type) INTO earned FROM user_rewards
    WHERE user_id = p_user AND reward_type IN ('first_focus', 'focus_10', 'focus_100', 'streak_7');
    IF cardinality(earned) = 4
        OR NOT EXISTS (SELECT FROM focus_sessions WHERE user_id = p_user AND id = p_session AND mode = 'focus')
    THEN
        RETURN r;
    END IF;
    earned := coalesce(earned, '{}');
    IF NOT earned @> '{first_focus,focus_10,focus_100}' THEN
        SELECT count(*) INTO completed FROM (
            SELECT FROM focus_sessions
            WHERE user_id = p_user AND mode = 'focus' AND (status = 'completed' OR id = p_session) LIMIT 100) AS most;
        IF completed >= 1 AND 'first_focus' <> ALL (earned) THEN
            r.changed := r.changed || reward_grant(p_user, 'first_focus', 10, NULL, r.head, at);
        END IF;
        IF completed >= 10 AND 'focus_10' <> ALL (earned) THEN
            r.changed := r.changed || reward_grant(p_user, 'focus_10', 25, NULL, r.head, at);
        END IF;
        IF completed >= 100 AND 'focus_100' <> ALL (earned) THEN
            r.changed := r.changed || reward_grant(p_user, 'focus_100', 100, NULL, r.head, at);
        END IF;
    END IF;
    IF 'streak_7' <> ALL (earned) THEN
        -- Seven local dates in a row, the last of them this session's.
        zone := user_zone(p_user);
        SELECT count(DISTINCT (completed_at AT TIME ZONE zone)::date) INTO days FROM focus_sessions
        WHERE user_id = p_user AND mode = 'focus' AND status = 'completed'
            AND (completed_at AT TIME ZONE zone)::date
                BETWEEN (p_at AT TIME ZONE zone)::date - 6 AND (p_at AT TIME ZONE zone)::date;
        IF days >= 7 THEN
            r.changed := r.changed || reward_grant(p_user, 'streak_7', 50, NULL, r.head, at);
        END IF;
    END IF;
    RETURN r;
END
$$;

-- Forgets what was deleted before p_before; the floor rises in the same transaction. A deleted item of one's own stays as
-- long as pieces of it are owned.
CREATE FUNCTION market_purge(p_user uuid, p_before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    purged bigint;
    highest bigint;
BEGIN
    PERFORM FROM sync_heads WHERE user_id = p_user FOR NO KEY UPDATE;
    WITH inventory AS (
        DELETE FROM user_inventory WHERE user_id = p_user AND emptied_at < p_before RETURNING version
    ), items AS (
        DELETE FROM market_personal_items p WHERE p.user_id = p_user AND p.deleted_at < p_before
            AND NOT EXISTS (
                SELECT FROM user_inventory v WHERE v.user_id = p_user AND v.item_id = p.id AND v.quantity > 0)
        RETURNING version
    )
    SELECT count(*), max(version) INTO purged, highest
    FROM (SELECT version FROM inventory UNION ALL SELECT version FROM items) AS gone;
    IF purged > 0 THEN
        UPDATE sync_heads SET floor = greatest(floor, highest) WHERE user_id = p_user;
    END IF;
    RETURN purged;
END
$$;

-- Every user has a wallet's document now, at version 0, which no cursor of before would bring: replicas are read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
