DROP FUNCTION account_change_password(uuid, uuid, text, text);
DROP FUNCTION account_export(uuid);
DROP FUNCTION account_columns(regclass);
DROP FUNCTION account_erase(uuid);
DROP FUNCTION account_tables();
