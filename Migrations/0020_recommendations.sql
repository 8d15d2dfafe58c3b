-- What users bought, as numbers that recommendations are made of (docs/guides/recommendations.md). Each user's basket
-- says what of them has been counted; counting compares it with what they own now, so that doing it twice changes
-- nothing, and a refund undoes what the purchase did. Only the catalogue is counted: items that users made for
-- themselves never are.

-- Who bought or gave back lately, whoever they are. Purchases are appended, so that a summary of each range of pages
-- finds the last ones and costs a purchase nothing.
CREATE INDEX user_market_purchases_times ON user_market_purchases USING brin (purchased_at)
WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX user_market_purchases_refunds ON user_market_purchases (refunded_at) WHERE refunded_at IS NOT NULL;

-- Up to where counting has come.
CREATE TABLE recommendation_state (
    single boolean NOT NULL DEFAULT true,
    -- How many baskets are not empty.
    users bigint NOT NULL DEFAULT 0,
    -- Every purchase and refund before this is counted.
    counted_to timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What was too much for one step goes on from `going_on_at`, and at its end counted_to becomes `settled_at`. null:
    -- nothing was.
    going_on_at timestamptz,
    settled_at timestamptz,
    -- The last user of a walk over all of them, which finds what `counted_to` cannot: rows from before there was one,
    -- or edited by hand; one a day. null: none is under way.
    walked_to uuid DEFAULT '00000000-0000-0000-0000-000000000000',
    walked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the last pass was.
    passed_at timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT recommendation_state_pkey PRIMARY KEY (single),
    CONSTRAINT recommendation_state_single CHECK (single)
);

INSERT INTO recommendation_state DEFAULT VALUES;

-- The items that have been counted for a user, in the order of their ids, and how much each of them adds to its heat.
CREATE TABLE recommendation_baskets (
    user_id uuid NOT NULL,
    items uuid[] NOT NULL,
    heats double precision[] NOT NULL,
    CONSTRAINT recommendation_baskets_pkey PRIMARY KEY (user_id),
    -- A basket that is counted while its user is erased does not outlive them.
    CONSTRAINT recommendation_baskets_head FOREIGN KEY (user_id) REFERENCES sync_heads (user_id) ON DELETE CASCADE
) WITH (fillfactor = 80);

-- Baskets of users who were erased, nobody's any more, until they are counted off.
CREATE TABLE recommendation_leavings (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    items uuid[] NOT NULL,
    heats double precision[] NOT NULL,
    CONSTRAINT recommendation_leavings_pkey PRIMARY KEY (id)
);

CREATE FUNCTION recommendation_basket_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recommendation_leavings (items, heats) VALUES (OLD.items, OLD.heats);
    RETURN NULL;
END
$$;

CREATE TRIGGER recommendation_baskets_left AFTER DELETE ON recommendation_baskets
FOR EACH ROW WHEN (OLD.items <> '{}') EXECUTE FUNCTION recommendation_basket_left();

CREATE TABLE recommendation_items (
    item_id uuid NOT NULL,
    -- In how many baskets it lies.
    users bigint NOT NULL,
    heat double precision NOT NULL,
    -- What is bought together with it, strongest first, and how strongly.
    neighbours uuid[] NOT NULL DEFAULT '{}',
    strengths double precision[] NOT NULL DEFAULT '{}',
    -- How many steps its pairs went since the neighbours were found.
    changes bigint NOT NULL,
    CONSTRAINT recommendation_items_pkey PRIMARY KEY (item_id)
) WITH (fillfactor = 50);

-- In how many baskets both lie; item_a < item_b.
CREATE TABLE recommendation_pairs (
    item_a uuid NOT NULL,
    item_b uuid NOT NULL,
    users bigint NOT NULL,
    CONSTRAINT recommendation_pairs_pkey PRIMARY KEY (item_a, item_b),
    CONSTRAINT recommendation_pairs_order CHECK (item_a < item_b)
) WITH (fillfactor = 80);

CREATE INDEX recommendation_pairs_other ON recommendation_pairs (item_b);
