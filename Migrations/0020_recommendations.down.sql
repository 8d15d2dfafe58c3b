DROP TABLE recommendation_pairs;
DROP TABLE recommendation_items;
DROP TABLE recommendation_baskets;
DROP FUNCTION recommendation_basket_left();
DROP TABLE recommendation_leavings;
DROP TABLE recommendation_state;
DROP INDEX user_market_purchases_refunds;
DROP INDEX user_market_purchases_times;
