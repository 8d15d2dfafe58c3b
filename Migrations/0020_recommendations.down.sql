DROP FUNCTION recommendation_pass(bigint, interval);
DROP FUNCTION recommendation_keep(uuid[]);
DROP FUNCTION market_recommend(uuid);
DROP FUNCTION x_log_x(double precision);
DROP FUNCTION log_likelihood_ratio(double precision, double precision, double precision, double precision);
DROP FUNCTION recommendation_relate(bigint);
DROP FUNCTION recommendation_count(uuid[]);
DROP FUNCTION recommendation_weight(timestamptz);
DROP TABLE recommendation_pairs;
DROP TABLE recommendation_items;
DROP TABLE recommendation_baskets;
DROP FUNCTION recommendation_basket_left();
DROP TABLE recommendation_leavings;
DROP TABLE recommendation_state;
ALTER FUNCTION purchase_refusal(
    timestamptz, boolean, timestamptz, timestamptz, bigint, bigint, bigint, bigint, bigint, bigint, bigint) IMMUTABLE;
DROP INDEX user_market_purchases_refunds;
DROP INDEX user_market_purchases_times;
