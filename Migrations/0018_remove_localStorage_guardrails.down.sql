DROP TABLE storage_guard_reports;
DROP TABLE feature_flags;
-- Documents vanish without a tombstone: every replica is read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
