-- Which of the 4,096 buckets of users this database owns: while there is one database, all of them. A session counts only where
-- its user's bucket is owned.
CREATE TABLE owned_buckets (
    first smallint NOT NULL,
    last smallint NOT NULL,
    CONSTRAINT owned_buckets_pkey PRIMARY KEY (first),
    CONSTRAINT owned_buckets_range CHECK (0 <= first AND first <= last AND last <= 4095)
);

INSERT INTO owned_buckets (first, last) VALUES (0, 4095);

-- Who there is. The bucket of a user stands in the id. The e-mail address is for show: what one signs in with is an identity.
CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT users_pkey PRIMARY KEY (id)
);

-- What one signs in with, and whose it is. An e-mail address stands as its key, in the form by which addresses compare (the server
-- folds it to lower case). It is unique among all users, of whichever bucket, and so no foreign key ties it to one: it may live in
-- another database than the user. claimed: an account is about to be made with it; confirmed: it signs its user in; gone: its user
-- has left, and it may be taken again.
CREATE TABLE identities (
    key text NOT NULL,
    user_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'confirmed',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT identities_pkey PRIMARY KEY (key),
    CONSTRAINT identities_state CHECK (state IN ('claimed', 'confirmed', 'gone'))
);

CREATE INDEX identities_user ON identities (user_id);

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
) WITH (fillfactor = 80);

-- Only the SHA-256 of a token is kept: who reads this table cannot sign in with it.
CREATE TABLE sessions (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    device_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT sessions_token_hash_unique UNIQUE (user_id, token_hash),
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
) WITH (fillfactor = 50);

CREATE INDEX device_presence_process ON device_presence (process_id);
