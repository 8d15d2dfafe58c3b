DROP FUNCTION shared_advance();
