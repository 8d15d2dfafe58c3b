DROP FUNCTION shared_advance();
ALTER TYPE mutation_result DROP ATTRIBUTE shared;
