-- Accounts that are gone for everybody and of which rows are left. Not user_id: it is no table of a user's.
CREATE TABLE account_erasures (
    id uuid NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT account_erasures_pkey PRIMARY KEY (id)
);
