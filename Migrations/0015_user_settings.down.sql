DROP TABLE user_setting_history;
DROP TABLE user_settings;
