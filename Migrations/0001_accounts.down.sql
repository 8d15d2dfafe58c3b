DROP TABLE device_presence;
DROP TABLE sessions;
DROP TABLE devices;
DROP TABLE users;
