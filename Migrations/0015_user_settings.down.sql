DROP FUNCTION settings_purge(uuid, timestamptz);
DROP FUNCTION settings_answer(uuid, text, mutation_result, text[]);
DROP FUNCTION settings_write(uuid, uuid, mutation_result, text[], json[], timestamptz);
DROP FUNCTION settings_apply(uuid, uuid, uuid, bigint, text, bytea, text[], json[], bigint, bigint);
DROP FUNCTION setting_body(user_settings);
DROP FUNCTION setting_document(text, json, bigint);
DROP TABLE user_setting_history;
DROP TABLE user_settings;
