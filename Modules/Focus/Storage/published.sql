-- What other features may ask of focus sessions, and the one thing that they may change.

-- How many sessions that count were completed, p_most at most: no more are looked at.
CREATE FUNCTION focus_completed_count(p_user uuid, p_most bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM (
        SELECT FROM focus_sessions
        WHERE user_id = p_user AND mode = 'focus' AND status = 'completed' LIMIT p_most) AS s);
END
$$;

-- On how many dates of the zone, from p_first to p_last, a session that counts was completed.
CREATE FUNCTION focus_completed_days(p_user uuid, p_zone text, p_first date, p_last date) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(DISTINCT (completed_at AT TIME ZONE p_zone)::date) FROM focus_sessions
        WHERE user_id = p_user AND mode = 'focus' AND status = 'completed'
            AND (completed_at AT TIME ZONE p_zone)::date BETWEEN p_first AND p_last);
END
$$;

-- Says of a completed session that it could not be paid.
CREATE FUNCTION focus_mark_unpaid(p_user uuid, p_session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE focus_sessions SET coins_awarded = 0 WHERE user_id = p_user AND id = p_session;
END
$$;

-- When the document will next change by itself.
CREATE VIEW focus_due AS SELECT s.user_id, s.ends_at AS at FROM focus_sessions s WHERE s.status = 'active';

-- How many sessions each account has started, rounded down to a hundred: the number of every hundredth is indexed.
CREATE VIEW focus_room AS
    SELECT max(s.number) AS amount FROM focus_sessions s
    WHERE s.number > 0 AND s.number % 100 = 0 GROUP BY s.user_id;

-- What each session was worth, and what it says that it was paid. Two kinds are completed and unpaid (0): one whose id
-- an earlier movement of coins has already, and one whose user can earn no more.
CREATE VIEW focus_earnings AS
    SELECT s.user_id, s.id, format('%s %s of %s s', s.status, s.mode, s.duration_seconds) AS what,
        s.status = 'completed' AS is_earned,
        CASE WHEN s.status = 'completed' THEN focus_worth(s.mode, s.duration_seconds) ELSE 0 END AS worth,
        s.coins_awarded AS paid
    FROM focus_sessions s;
