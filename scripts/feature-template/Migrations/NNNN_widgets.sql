-- A row without a name is the tombstone of a deleted widget.
CREATE TABLE widgets (
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    name text,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The device that wrote this version, and the highest version that another device wrote: what a conflict is.
    device_id uuid NOT NULL,
    other_device_version bigint NOT NULL DEFAULT 0,
    CONSTRAINT widgets_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT widgets_name CHECK (char_length(name) BETWEEN 1 AND 100)
);

CREATE INDEX widgets_changes ON widgets (user_id, version);
CREATE INDEX widgets_tombstones ON widgets (updated_at) WHERE name IS NULL;
