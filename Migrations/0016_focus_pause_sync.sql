-- Whether a session is paused, since when, and when it last went on: one row a session.
CREATE TABLE focus_pause_state (
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    is_paused boolean NOT NULL DEFAULT false,
    paused_at timestamptz,
    resumed_at timestamptz,
    CONSTRAINT focus_pause_state_pkey PRIMARY KEY (user_id, session_id),
    CONSTRAINT focus_pause_state_session FOREIGN KEY (user_id, session_id)
        REFERENCES focus_sessions (user_id, id) ON DELETE CASCADE,
    CONSTRAINT focus_pause_state_since CHECK (NOT is_paused OR paused_at IS NOT NULL)
);

CREATE INDEX focus_pause_state_due ON focus_pause_state (paused_at) WHERE is_paused;

-- Servers say themselves when a session will be over at another time. For whoever else moves one, by hand or in a restore of
-- some rows, this does: a word on the bus (docs/decisions/0012), upon which every scheduler looks again.
CREATE FUNCTION focus_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lockstep', gen_random_uuid() || ' u' || NEW.user_id || ':0');
    RETURN NULL;
END
$$;

CREATE TRIGGER focus_sessions_moved AFTER INSERT OR UPDATE OF status, ends_at ON focus_sessions FOR EACH ROW
WHEN (current_setting('application_name') <> 'lockstep' AND NEW.status = 'active') EXECUTE FUNCTION focus_moved();
CREATE TRIGGER focus_pause_state_moved AFTER INSERT OR UPDATE OF is_paused, paused_at ON focus_pause_state FOR EACH ROW
WHEN (current_setting('application_name') <> 'lockstep' AND NEW.is_paused) EXECUTE FUNCTION focus_moved();
