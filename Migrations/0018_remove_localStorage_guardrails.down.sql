DROP FUNCTION storage_guard_count(text, text[], bigint[], text[]);
DROP TABLE storage_guard_reports;
DROP FUNCTION flag_set(text, boolean, text[]);
DROP FUNCTION flag_body(feature_flags);
DROP TABLE feature_flags;
-- Documents vanish without a tombstone: every replica is read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
