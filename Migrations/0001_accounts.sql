-- Who there is. E-mail addresses compare by email_key, which the server folds to lower case.
CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key_unique UNIQUE (email_key)
);

CREATE TABLE devices (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The highest seq of this device among the mutations that were purged: a lower one that is unknown happened long ago.
    purged_seq bigint NOT NULL DEFAULT 0,
    CONSTRAINT devices_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT devices_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT devices_kind CHECK (kind IN ('desktop', 'mobile', 'web', 'other'))
);

-- Only the SHA-256 of a token is kept: who reads this table cannot sign in with it.
CREATE TABLE sessions (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    device_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT sessions_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT sessions_device FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, id) ON DELETE CASCADE
);

CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Which devices hold a socket, and at which process; a row that is not refreshed is a process that died.
CREATE TABLE device_presence (
    user_id uuid NOT NULL,
    device_id uuid NOT NULL,
    process_id uuid NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT device_presence_pkey PRIMARY KEY (user_id, device_id, process_id),
    CONSTRAINT device_presence_device FOREIGN KEY (user_id, device_id)
        REFERENCES devices (user_id, id) ON DELETE CASCADE
);

CREATE INDEX device_presence_process ON device_presence (process_id);
