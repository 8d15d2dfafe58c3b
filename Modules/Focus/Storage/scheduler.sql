-- What the scheduler does: many users' due sessions in one transaction (docs/decisions/0043).

-- Completes what is due of these users, and says what changed. Whoever's head somebody else holds is passed by: it waits for
-- nobody, so that no order of locks can be wrong. Looks before it takes locks, for another process may have been first.
CREATE FUNCTION focus_settle(p_users uuid[], p_expiry integer) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    locked uuid[];
BEGIN
    locked := ARRAY(SELECT e.user_id FROM focus_due_endings(p_users, p_expiry, clock_timestamp()) AS e);
    locked := ARRAY(SELECT h.user_id FROM sync_heads h WHERE h.user_id = ANY (locked) FOR NO KEY UPDATE SKIP LOCKED);
    RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body
        FROM focus_settle_locked(locked, p_expiry) AS d;
END
$$;

-- The same of one user, whose lock it waits for.
CREATE FUNCTION focus_settle_one(p_user uuid, p_expiry integer) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (SELECT FROM focus_due_endings(ARRAY[p_user], p_expiry, clock_timestamp())) THEN
        PERFORM FROM sync_heads h WHERE h.user_id = p_user FOR NO KEY UPDATE;
        RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body
            FROM focus_settle_locked(ARRAY[p_user], p_expiry) AS d;
    END IF;
END
$$;

-- What is due now, behind the locks of these users.
CREATE FUNCTION focus_settle_locked(p_users uuid[], p_expiry integer) RETURNS SETOF focus_consequence LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    endings focus_ending[];
BEGIN
    endings := ARRAY(SELECT e FROM focus_due_endings(p_users, p_expiry, clock_timestamp()) AS e);
    RETURN QUERY SELECT d.user_id, d.collection, d.id, d.version, d.body FROM focus_end(endings) AS d;
    UPDATE sync_heads AS h SET version = e.version FROM unnest(endings) AS e WHERE h.user_id = e.user_id;
    RETURN QUERY SELECT d.user_id, 'focus', d.id, d.version, d.value
        FROM unnest(endings) AS e JOIN focus_documents d ON d.user_id = e.user_id;
END
$$;
