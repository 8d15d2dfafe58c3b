-- No index names what a write changes, and pages keep room: a setting is updated in place, at one index entry less and
-- none more (decision 0044). What changed since a version is looked for among all of a user's, 2,000 at most.
--
-- A setting's value is the canonical JSON text that the server wrote, kept letter for letter (json, not jsonb: jsonb would
-- write 1e308 as 309 digits into every answer); null is the tombstone of a deleted one.
CREATE TABLE user_settings (
    user_id uuid NOT NULL,
    key text NOT NULL,
    value json,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The device that wrote this version, and the highest version that another device wrote: what a conflict is.
    device_id uuid NOT NULL,
    other_device_version bigint NOT NULL DEFAULT 0,
    -- For the index alone: a predicate on value would be a column that every update changes.
    deleted_at timestamptz GENERATED ALWAYS AS (CASE WHEN value IS NULL THEN updated_at END) STORED,
    CONSTRAINT user_settings_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT user_settings_key CHECK (key ~ '^[A-Za-z0-9_.:-]{1,255}$'),
    CONSTRAINT user_settings_value CHECK (octet_length(value::text) <= 16384 AND value::text <> 'null')
) WITH (fillfactor = 70);

CREATE INDEX user_settings_tombstones ON user_settings (deleted_at) WHERE deleted_at IS NOT NULL;

-- The last 20 values that were replaced or deleted; of a user at most 64 MiB, of which the oldest go.
CREATE TABLE user_setting_history (
    user_id uuid NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    value json NOT NULL,
    device_name text,
    replaced_at timestamptz NOT NULL,
    CONSTRAINT user_setting_history_pkey PRIMARY KEY (user_id, key, version)
);
