DROP TABLE device_presence;
DROP TABLE sessions;
DROP TABLE devices;
DROP TABLE identities;
DROP TABLE users;
DROP TABLE owned_buckets;
