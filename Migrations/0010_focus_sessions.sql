-- A timer that the server owns. While it runs, ends_at says when it will be over and nothing is written until then; while
-- it is paused or once it has ended, remaining_seconds says what was left.
-- No foreign key: the head row's lock guards it, and who leaves takes with their account only what hangs on it by a key.
CREATE TABLE focus_sessions (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    mode text NOT NULL,
    status text NOT NULL,
    duration_seconds integer NOT NULL,
    started_at timestamptz NOT NULL,
    ends_at timestamptz,
    remaining_seconds numeric(11, 6),
    pause_count integer NOT NULL DEFAULT 0,
    paused_seconds numeric(17, 6) NOT NULL DEFAULT 0,
    task_title text,
    coins_awarded bigint NOT NULL DEFAULT 0,
    completed_at timestamptz,
    version bigint NOT NULL,
    -- The device that wrote this version (null: the scheduler), and the highest version since the session began that
    -- another one wrote: what a conflict is.
    device_id uuid,
    other_device_version bigint NOT NULL DEFAULT 0,
    -- The how-manieth of its user's: the newest one tells how many there are.
    number bigint NOT NULL DEFAULT 0,
    CONSTRAINT focus_sessions_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT focus_sessions_mode CHECK (mode IN ('focus', 'break', 'long_break')),
    CONSTRAINT focus_sessions_status CHECK (status IN ('active', 'paused', 'completed', 'abandoned', 'expired')),
    CONSTRAINT focus_sessions_duration CHECK (duration_seconds BETWEEN 1 AND 14400),
    CONSTRAINT focus_sessions_title CHECK (char_length(task_title) <= 200),
    CONSTRAINT focus_sessions_running CHECK ((status = 'active') = (remaining_seconds IS NULL)),
    CONSTRAINT focus_sessions_ends CHECK (CASE status WHEN 'active' THEN ends_at IS NOT NULL
        WHEN 'paused' THEN ends_at IS NULL ELSE true END),
    CONSTRAINT focus_sessions_completed CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT focus_sessions_remaining CHECK (remaining_seconds BETWEEN 0 AND duration_seconds),
    CONSTRAINT focus_sessions_paused CHECK (pause_count >= 0 AND paused_seconds >= 0),
    CONSTRAINT focus_sessions_coins CHECK (coins_awarded >= 0)
);

-- At most one live session a user.
CREATE UNIQUE INDEX focus_sessions_one_live ON focus_sessions (user_id) WHERE status IN ('active', 'paused');
CREATE INDEX focus_sessions_changes ON focus_sessions (user_id, version);
CREATE INDEX focus_sessions_history ON focus_sessions (user_id, started_at, id);
-- Who has very many: one row in a hundred is enough to see that.
CREATE INDEX focus_sessions_hundreds ON focus_sessions (number, user_id) WHERE number > 0 AND number % 100 = 0;
-- What the scheduler looks for, and what statistics count.
CREATE INDEX focus_sessions_due ON focus_sessions (ends_at) WHERE status = 'active';
CREATE INDEX focus_sessions_done ON focus_sessions (user_id, completed_at)
    WHERE status = 'completed' AND mode = 'focus';
