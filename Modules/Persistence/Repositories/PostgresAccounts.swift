package import API
package import Accounts
package import FoundationEssentials

/// Accounts in `users`, `devices` and `sessions`.
package struct PostgresAccounts: AccountsRepository {
    let database: Database

    package init(database: Database) {
        self.database = database
    }

    package func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession {
        let user = UUID.v7()
        let deviceID = UUID.v7()
        do {
            let rows = try await database.answering {
                try await $0.write(
                    for: user,
                    """
                    WITH account AS (
                        INSERT INTO users (id, email, email_key, password_hash)
                        VALUES (\(user), \(email.text), \(email.key), \(passwordHash)) RETURNING created_at
                    ), head AS (
                        INSERT INTO sync_heads (user_id) VALUES (\(user))
                    ), device AS (
                        INSERT INTO devices (user_id, id, name, kind)
                        VALUES (\(user), \(deviceID), \(device.name), \(device.kind))
                    ), session AS (
                        INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
                        VALUES (\(user), \(UUID.v7()), \(deviceID), \(tokenHash),
                            clock_timestamp() + make_interval(days => \(days)::integer)) RETURNING expires_at
                    )
                    SELECT account.created_at, session.expires_at FROM account, session
                    """, idempotent: false)
            }
            guard let row = rows.first else { throw Problem.internalError }
            return OpenedSession(
                user: User(id: user, email: email.text, createdAt: try row.decode("created_at")),
                device: .init(id: deviceID, name: device.name, kind: device.kind),
                expires: try row.decode("expires_at"))
        } catch let error as DatabaseError where error.constraint == "users_email_key_unique" {
            throw AccountRefusal.emailTaken
        }
    }

    package func credentials(of email: EmailAddress) async throws -> (user: User, passwordHash: String)? {
        let rows = try await database.answering {
            try await $0.read(
                "SELECT id, email, created_at, password_hash FROM users WHERE email_key = \(email.key)")
        }
        return try rows.first.map { row in
            (
                User(
                    id: try row.decode("id"), email: try row.decode("email"), createdAt: try row.decode("created_at")),
                try row.decode("password_hash")
            )
        }
    }

    package func openSession(
        for user: User, checked: String, device: DeviceDescription, tokenHash: [UInt8], days: Int
    ) async throws -> OpenedSession {
        let rows = try await database.answering {
            try await $0.write(
                for: user.id,
                """
                WITH holder AS (
                    -- Waits for a change of the password that is under way, and then finds another one.
                    SELECT id FROM users WHERE id = \(user.id) AND password_hash = \(checked) FOR SHARE
                ), known AS (
                    UPDATE devices SET name = \(device.name), kind = \(device.kind), last_seen_at = clock_timestamp()
                    WHERE user_id = (SELECT id FROM holder) AND id = \(device.id) RETURNING id
                ), made AS (
                    INSERT INTO devices (user_id, id, name, kind)
                    SELECT holder.id, \(UUID.v7()), \(device.name), \(device.kind)
                    FROM holder WHERE NOT EXISTS (SELECT FROM known) RETURNING id
                ), device AS (
                    SELECT id FROM known UNION ALL SELECT id FROM made
                )
                INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
                SELECT \(user.id), \(UUID.v7()), device.id, \(tokenHash),
                    clock_timestamp() + make_interval(days => \(days)::integer)
                FROM device RETURNING device_id, expires_at
                """, idempotent: false)
        }
        guard let row = rows.first else { throw AccountRefusal.wrongCredentials }
        return OpenedSession(
            user: user, device: .init(id: try row.decode("device_id"), name: device.name, kind: device.kind),
            expires: try row.decode("expires_at"))
    }

    package func caller(tokenHash: [UInt8]) async throws -> Caller? {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT s.user_id, s.id, s.expires_at, d.id AS device_id, d.name, d.kind,
                    d.last_seen_at < clock_timestamp() - interval '5 minutes' AS note_is_due
                FROM sessions s JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
                WHERE s.token_hash = \(tokenHash) AND s.expires_at > clock_timestamp()
                """)
        }
        return try rows.first.map { row in
            Caller(
                user: try row.decode("user_id"), session: try row.decode("id"),
                device: .init(
                    id: try row.decode("device_id"), name: try row.decode("name"), kind: try row.decode("kind")),
                expires: try row.decode("expires_at"), noteIsDue: try row.decode("note_is_due"))
        }
    }

    package func extend(_ caller: Caller, days: Int) async throws -> Timestamp? {
        let rows = try await database.answering {
            try await $0.write(
                for: caller.user,
                """
                WITH seen AS (
                    UPDATE devices SET last_seen_at = clock_timestamp()
                    WHERE user_id = \(caller.user) AND id = \(caller.device.id)
                )
                UPDATE sessions SET expires_at = clock_timestamp() + make_interval(days => \(days)::integer)
                WHERE user_id = \(caller.user) AND id = \(caller.session) RETURNING expires_at
                """)
        }
        return try rows.first?.decode("expires_at")
    }

    package func note(_ caller: Caller) async throws {
        _ = try await database.answering {
            try await $0.write(
                for: caller.user,
                """
                UPDATE devices SET last_seen_at = clock_timestamp()
                WHERE user_id = \(caller.user) AND id = \(caller.device.id)
                    AND last_seen_at < clock_timestamp() - interval '5 minutes'
                """)
        }
    }

    package func endSession(_ session: UUID, of user: UUID) async throws {
        _ = try await database.answering {
            try await $0.write(for: user, "DELETE FROM sessions WHERE user_id = \(user) AND id = \(session)")
        }
    }

    package func user(_ id: UUID) async throws -> User? {
        let rows = try await database.answering {
            try await $0.read("SELECT id, email, created_at FROM users WHERE id = \(id)")
        }
        return try rows.first.map { row in
            User(id: try row.decode("id"), email: try row.decode("email"), createdAt: try row.decode("created_at"))
        }
    }
}
