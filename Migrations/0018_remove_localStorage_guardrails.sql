-- Switches of the product, the same for everybody, shared documents of every replica: a device that is connected follows
-- within a second. The first one is the guard that keeps user data out of browsers' localStorage.
CREATE TABLE feature_flags (
    name text NOT NULL,
    enabled boolean NOT NULL,
    description text NOT NULL,
    -- What the storage guard lets through; null for flags that are no guard.
    allowed_keys text[],
    -- Of the shared sequence.
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT feature_flags_pkey PRIMARY KEY (name),
    CONSTRAINT feature_flags_name CHECK (name ~ '^[A-Z][A-Z0-9_]{0,63}$')
);

CREATE INDEX feature_flags_changes ON feature_flags (version);

INSERT INTO feature_flags (name, enabled, description, allowed_keys, version)
VALUES (
    'DISABLE_MASS_LOCAL_PERSISTENCE', true,
    'Only cosmetic keys may be written to localStorage; everything else belongs to the server.',
    ARRAY['ui.density', 'ui.last_page', 'ui.sidebar'], shared_advance());

-- What storage guards refused (or, in mode report, would have). Anybody may report, so it is bounded: known old keys have
-- a row each, of all others the first 200, and the rest is counted as `(other)`.
CREATE TABLE storage_guard_reports (
    key text NOT NULL,
    mode text NOT NULL,
    count bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT storage_guard_reports_pkey PRIMARY KEY (key, mode),
    CONSTRAINT storage_guard_reports_mode CHECK (mode IN ('report', 'enforce')),
    CONSTRAINT storage_guard_reports_key CHECK (char_length(key) <= 64)
);
