package import API
package import FoundationEssentials
import Persistence
import Sync

/// What the owner of an account does with it: their devices, their password, a copy, and the end.
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

    package func export(_ user: UUID) async throws -> AccountExport? {
        let rows = try await database.answering {
            try await $0.read("SELECT account, sources FROM account_export(\(user))")
        }
        return try rows.first.map { AccountExport(user: try $0.decode("account"), tables: try $0.decode("sources")) }
    }

    package func exportPage(of user: UUID, table: String, from place: ExportPlace) async throws -> ExportPage? {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT records, next_after FROM account_export_page(\(user), \(table), \(place.after), \(place.rows))
                """)
        }
        guard let row = rows.first else { return nil }
        let records = try row.decode("records", as: String?.self)
        let after = try row.decode("next_after", as: [String]?.self)
        // Pages of some 200 KB: a page is read among everybody's reads, and holds none of them up.
        let fitting = place.rows * 200_000 / max(1, records?.utf8.count ?? 0)
        let next = after.map { ExportPlace(after: $0, rows: min(max(fitting, 10), place.rows * 4, 2_000)) }
        return ExportPage(records: records, next: next)
    }

    package func erase(_ user: UUID) async throws -> Bool {
        let rows = try await database.answering {
            try await $0.write(for: user, "SELECT account_leave(\(user)) AS done")
        }
        let left = try rows.first?.decode("done", as: Bool.self) ?? false
        // What this does not come to, or fails at, `PostgresErasures` does.
        if left {
            let step = try? await database.write(for: user, "SELECT account_erase(\(user)) AS done").first
            if try step?.decode("done", as: Bool?.self) != true { onLeftovers() }
        }
        return left
    }

    private static func device(_ row: Row) throws -> Device {
        Device(
            id: try row.decode("id"), name: try row.decode("name"), kind: try row.decode("kind"),
            createdAt: try row.decode("created_at"), lastSeenAt: try row.decode("last_seen_at"),
            online: try row.decode("online"))
    }
}
