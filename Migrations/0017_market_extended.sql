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

-- The ledger's sums, kept at hand, and where its chain ends. Written by wallet_move and wallets_earn alone.
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
-- its function standing on the call stack with exactly the statement below, which deletes some of one user's: a setting could
-- be made by anybody, and a looser look at the stack could be fooled by a statement that quotes the function's name. Once a
-- statement: an erasure deletes hundreds of thousands of rows.
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
        IF frames[3] = replace(frames[1], probe, 'DELETE FROM market_transactions WHERE user_id = $1 AND ctid = ANY ('
                'ARRAY(SELECT ctid FROM market_transactions WHERE user_id = $1 LIMIT $2))')
            AND starts_with(frames[4], split_part(frames[2], 'market_transactions_refuse()', 1) || 'account_erase(uuid)')
        THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION 'the ledger is only appended to: % of market_transactions is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER market_transactions_kept BEFORE UPDATE OR DELETE ON market_transactions
FOR EACH STATEMENT EXECUTE FUNCTION market_transactions_refuse();
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
) WITH (fillfactor = 90);

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

-- Every user has a wallet's document now, at version 0, which no cursor of before would bring: replicas are read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
