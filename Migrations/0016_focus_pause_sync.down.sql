-- The documents of focus are gone without a tombstone: every replica is read anew.
UPDATE sync_shared SET epoch_seed = uuid_send(gen_random_uuid());
DROP FUNCTION focus_apply(
    uuid, uuid, uuid, bigint, text, bytea, uuid, text, integer, text, boolean, bigint, bigint, bigint, integer);
DROP FUNCTION focus_stop(uuid, uuid, boolean, focus_sessions, timestamptz, mutation_result);
DROP FUNCTION focus_turn(uuid, uuid, boolean, bigint, focus_sessions, timestamptz, mutation_result);
DROP FUNCTION focus_start(
    uuid, uuid, uuid, text, integer, text, boolean, focus_sessions, timestamptz, mutation_result);
DROP FUNCTION focus_tick(uuid, integer);
DROP FUNCTION focus_tell(uuid, mutation_result);
DROP FUNCTION focus_settle(uuid, integer, timestamptz, mutation_result);
DROP FUNCTION focus_end(uuid, uuid, focus_sessions, text, numeric, timestamptz, bigint, mutation_result);
DROP FUNCTION focus_complete(uuid, uuid, focus_sessions, timestamptz, mutation_result);
DROP FUNCTION focus_completed(uuid, uuid, bigint, timestamptz, mutation_result);
DROP VIEW focus_documents;
DROP FUNCTION focus_body(uuid, uuid, timestamptz);
DROP TRIGGER focus_sessions_moved ON focus_sessions;
DROP TABLE focus_pause_state;
DROP FUNCTION focus_moved();
