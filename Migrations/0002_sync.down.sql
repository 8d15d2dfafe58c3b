DROP FUNCTION wire_time(timestamptz);
DROP TABLE sync_conflicts;
DROP TABLE mutations;
DROP FUNCTION sync_epoch(bytea, integer, uuid);
DROP TABLE sync_shared;
DROP TABLE sync_heads;
