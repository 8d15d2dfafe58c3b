-- Takes the next number of the shared sequence, and its lock until the end of the transaction. Order of locks: the user's
-- head, then this one, then rows. Once a transaction: each touched sequence moves by exactly 1.
CREATE FUNCTION shared_advance() RETURNS bigint LANGUAGE sql AS $$
    UPDATE sync_shared SET version = version + 1 RETURNING version
$$;
