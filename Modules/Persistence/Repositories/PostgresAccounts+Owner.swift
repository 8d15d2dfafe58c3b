package import API
package import Accounts
package import FoundationEssentials

/// What the owner of an account does with it: his devices, his password, a copy, and the end.
extension PostgresAccounts {
    /// A device as its user's list shows it, of `devices d`. While it is online its presence says when it was seen.
    private static let device: SQL = """
        d.id, d.name, d.kind, d.created_at, greatest(d.last_seen_at, (
            SELECT max(p.seen_at) FROM device_presence p WHERE p.user_id = d.user_id AND p.device_id = d.id
        )) AS last_seen_at, EXISTS (
            SELECT FROM device_presence p WHERE p.user_id = d.user_id AND p.device_id = d.id
            AND p.seen_at > clock_timestamp() - interval '90 seconds') AS online
        """

    package func devices(of user: UUID) async throws -> [Device] {
        let rows = try await database.answering {
            try await $0.read(
                "SELECT \(sql: Self.device) FROM devices d WHERE d.user_id = \(user) ORDER BY d.created_at, d.id")
        }
        return try rows.map(Self.device)
    }

    package func rename(_ device: UUID, of user: UUID, to name: String) async throws -> Device? {
        let rows = try await database.answering {
            try await $0.write(
                for: user,
                """
                UPDATE devices d SET name = \(name) WHERE d.user_id = \(user) AND d.id = \(device)
                RETURNING \(sql: Self.device)
                """)
        }
        return try rows.first.map(Self.device)
    }

    package func removeDevice(_ device: UUID, of user: UUID) async throws -> Bool {
        // Its sessions and its presence go with it. Not again after a lost connection: the second time there is none, and
        // its owner would be told that there never was.
        let rows = try await database.answering {
            try await $0.write(
                for: user, "DELETE FROM devices WHERE user_id = \(user) AND id = \(device) RETURNING id",
                idempotent: false)
        }
        return !rows.isEmpty
    }

    package func credentials(of user: UUID) async throws -> (user: User, passwordHash: String)? {
        let rows = try await database.answering {
            try await $0.read("SELECT id, email, created_at, password_hash FROM users WHERE id = \(user)")
        }
        return try rows.first.map { row in
            (
                User(
                    id: try row.decode("id"), email: try row.decode("email"), createdAt: try row.decode("created_at")),
                try row.decode("password_hash")
            )
        }
    }

    package func changePassword(of caller: Caller, checked: String, to hash: String) async throws -> Bool {
        let rows = try await database.answering {
            try await $0.write(
                for: caller.user,
                "SELECT account_change_password(\(caller.user), \(caller.session), \(checked), \(hash)) AS done",
                idempotent: false)
        }
        return try rows.first?.decode("done") ?? false
    }

    package func export(_ user: UUID) async throws -> [ExportedTable] {
        let rows = try await database.answering {
            try await $0.read("SELECT source, records FROM account_export(\(user))")
        }
        var tables: [(name: String, pieces: [String])] = []
        for row in rows {
            let name = try row.decode("source", as: String.self)
            if tables.last?.name != name { tables.append((name, [])) }
            if let piece = try row.decode("records", as: String?.self) {
                tables[tables.count - 1].pieces.append(piece)
            }
        }
        return tables.map { ExportedTable(name: $0.name, pieces: $0.pieces) }
    }

    package func erase(_ user: UUID) async throws -> Bool {
        let rows = try await database.answering {
            try await $0.write(for: user, "SELECT account_erase(\(user)) AS done")
        }
        return try rows.first?.decode("done") ?? false
    }

    private static func device(_ row: Row) throws -> Device {
        Device(
            id: try row.decode("id"), name: try row.decode("name"), kind: try row.decode("kind"),
            createdAt: try row.decode("created_at"), lastSeenAt: try row.decode("last_seen_at"),
            online: try row.decode("online"))
    }
}
