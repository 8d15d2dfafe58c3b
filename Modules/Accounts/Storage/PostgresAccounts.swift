package import API
package import FoundationEssentials
package import Persistence
import Sync

/// Accounts in `users`, `identities`, `devices` and `sessions`.
package struct PostgresAccounts: AccountsRepository {
    let database: Database
    let onLeftovers: @Sendable () -> Void

    /// - Parameter onLeftovers: is called when an account has left of which rows are left.
    package init(database: Database, onLeftovers: @escaping @Sendable () -> Void = {}) {
        self.database = database
        self.onLeftovers = onLeftovers
    }

    package func register(
        _ email: EmailAddress, passwordHash: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession {
        let user = token.user
        let deviceID = UUID.v7()
        // A taken address is no error to PostgreSQL, which would write it into its log.
        let rows = try await database.answering {
            try await $0.write(
                for: user,
                """
                WITH identity AS (
                    INSERT INTO identities AS i (key, user_id) VALUES (\(email.key), \(user))
                    ON CONFLICT ON CONSTRAINT identities_pkey DO UPDATE SET user_id = excluded.user_id, state = 'confirmed',
                        changed_at = clock_timestamp() WHERE i.state = 'gone'
                    RETURNING i.user_id
                ), account AS (
                    INSERT INTO users (id, email, password_hash)
                    SELECT user_id, \(email.text), \(passwordHash) FROM identity RETURNING id, created_at
                ), head AS (
                    INSERT INTO sync_heads (user_id) SELECT id FROM account
                ), device AS (
                    INSERT INTO devices (user_id, id, name, kind)
                    SELECT id, \(deviceID), \(device.name), \(device.kind) FROM account
                ), session AS (
                    INSERT INTO sessions (user_id, id, device_id, token_hash, expires_at)
                    SELECT id, \(UUID.v7()), \(deviceID), \(token.hash),
                        clock_timestamp() + make_interval(days => \(days)::integer) FROM account RETURNING expires_at
                )
                SELECT account.created_at, session.expires_at FROM account, session
                """, idempotent: false)
        }
        guard let row = rows.first else { throw AccountRefusal.emailTaken }
        return OpenedSession(
            user: User(id: user, email: email.text, createdAt: try row.decode("created_at")),
            device: .init(id: deviceID, name: device.name, kind: device.kind), expires: try row.decode("expires_at"))
    }

    package func credentials(of email: EmailAddress, on device: UUID?) async throws -> Credentials? {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT u.id, u.email, u.created_at, u.password_hash, EXISTS (
                    SELECT FROM devices d WHERE d.user_id = u.id AND d.id = \(device)) AS on_known_device
                FROM identities i JOIN users u ON u.id = i.user_id WHERE i.key = \(email.key) AND i.state = 'confirmed'
                """)
        }
        return try rows.first.map { row in
            Credentials(
                user: User(
                    id: try row.decode("id"), email: try row.decode("email"), createdAt: try row.decode("created_at")),
                passwordHash: try row.decode("password_hash"), isOnKnownDevice: try row.decode("on_known_device"))
        }
    }

    package func openSession(
        for user: User, checked: String, device: DeviceDescription, token: SessionToken, days: Int
    ) async throws -> OpenedSession {
        let rows = try await database.answering {
            try await $0.write(
                for: user.id,
                """
                SELECT device, expires, given_way FROM session_open(\(user.id), \(checked), \(device.id), \(UUID.v7()), \
                \(device.name), \(device.kind), \(UUID.v7()), \(token.hash), \(days)::integer)
                """, idempotent: false)
        }
        guard let row = rows.first else { throw AccountRefusal.wrongCredentials }
        return OpenedSession(
            user: user, device: .init(id: try row.decode("device"), name: device.name, kind: device.kind),
            expires: try row.decode("expires"), othersEnded: try row.decode("given_way"))
    }

    package func caller(bearing tokens: [SessionToken]) async throws -> (caller: Caller, place: Int)? {
        guard let first = tokens.first else { return nil }
        let columns: SQL = """
            SELECT s.user_id, s.id, s.expires_at, d.id AS device_id, d.name, d.kind,
                d.last_seen_at < clock_timestamp() - interval '5 minutes' AS note_is_due
            """
        let rows = try await database.answering { database in
            // Nearly everybody shows one, with nearly every request: that is all that the database is asked then.
            if tokens.count == 1 {
                return try await database.read(
                    """
                    \(sql: columns) FROM sessions s JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
                    WHERE s.user_id = \(first.user) AND s.token_hash = \(first.hash) AND s.expires_at > clock_timestamp()
                        AND EXISTS (SELECT FROM owned_buckets o
                            WHERE \(Int(Bucket(of: first.user).number)) BETWEEN o.first AND o.last)
                    """)
            }
            return try await database.read(
                """
                \(sql: columns), t.place
                FROM unnest(\(tokens.map(\.user)), \(tokens.map { BytesElement(bytes: $0.hash) }))
                    WITH ORDINALITY AS t (user_id, hash, place)
                JOIN sessions s ON s.user_id = t.user_id AND s.token_hash = t.hash AND s.expires_at > clock_timestamp()
                JOIN devices d ON d.user_id = s.user_id AND d.id = s.device_id
                JOIN owned_buckets o ON user_bucket(t.user_id) BETWEEN o.first AND o.last
                ORDER BY t.place LIMIT 1
                """)
        }
        return try rows.first.map { row in
            let caller = Caller(
                user: try row.decode("user_id"), session: try row.decode("id"),
                device: .init(
                    id: try row.decode("device_id"), name: try row.decode("name"), kind: try row.decode("kind")),
                expires: try row.decode("expires_at"), noteIsDue: try row.decode("note_is_due"))
            return (caller, tokens.count == 1 ? 0 : try row.decode("place") - 1)
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
                WHERE user_id = \(caller.user) AND id = \(caller.session) AND expires_at > clock_timestamp()
                RETURNING expires_at
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

    package func user(_ id: UUID, asking caller: Caller?) async throws -> User? {
        let rows = try await database.answering {
            try await $0.read("SELECT id, email, created_at FROM users WHERE id = \(id)\(sql: .asking(caller))")
        }
        return try rows.first.map { row in
            User(id: try row.decode("id"), email: try row.decode("email"), createdAt: try row.decode("created_at"))
        }
    }
}
