-- What a mutation may do beside its user's own documents: change things that all users share. `shared` is then the
-- shared sequence's number after it. `changed` names the documents of one collection (settings), or holds whole ones as
-- triples: collection, id, value as JSON text or NULL where it was deleted.
ALTER TYPE mutation_result ADD ATTRIBUTE shared bigint;

-- Takes the next number of the shared sequence, and its lock until the end of the transaction. Order of locks: the user's
-- head, then this one, then rows. Once a transaction: each touched sequence moves by exactly 1.
CREATE FUNCTION shared_advance() RETURNS bigint LANGUAGE sql AS $$
    UPDATE sync_shared SET version = version + 1 RETURNING version
$$;
