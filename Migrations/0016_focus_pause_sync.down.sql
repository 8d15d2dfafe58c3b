-- The documents of focus are gone without a tombstone: every replica is read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
DROP TRIGGER focus_sessions_moved ON focus_sessions;
DROP TABLE focus_pause_state;
DROP FUNCTION focus_moved();
