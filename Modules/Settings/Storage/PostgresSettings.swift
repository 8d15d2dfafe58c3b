package import API
package import FoundationEssentials
package import Persistence
package import Sync

/// Settings in `user_settings`; what decides are the functions of settings.sql, one round trip each.
package struct PostgresSettings: SettingsRepository {
    private let database: Database
    private let sync: PostgresSync

    package init(database: Database, sync: PostgresSync) {
        self.database = database
        self.sync = sync
    }

    package func settings(of user: UUID, asking caller: Caller? = nil) async throws -> (
        head: Version, settings: [Setting]
    ) {
        let sql = Self.all(user, caller)
        return try Self.read(all: try await database.answering { try await $0.read(of: user, sql) })
    }

    package func settings(
        of user: UUID, asking caller: Caller,
        then: @escaping @Sendable (@escaping @Sendable () throws -> (head: Version, settings: [Setting])?) -> Void
    ) {
        database.read(of: user, upTo: UnsentBudget.small, Self.all(user, caller)) { result in
            then { try result.map { try Self.read(all: try $0.answered()) } }
        }
    }

    private static func all(_ user: UUID, _ caller: Caller?) -> SQL {
        """
        SELECT NULL::text AS key, NULL::json AS value, version, NULL::timestamptz AS updated_at
        FROM sync_heads WHERE user_id = \(user)\(sql: .asking(caller))
        UNION ALL SELECT key, value, version, updated_at
        FROM user_settings WHERE user_id = \(user) AND value IS NOT NULL
        """
    }

    private static func read(all rows: Rows) throws -> (head: Version, settings: [Setting]) {
        var head: Version?
        var settings: [Setting] = []
        settings.reserveCapacity(rows.count)
        for row in rows {
            if let key = try row.decode("key", as: String?.self) {
                settings.append(try setting(key, row))
            } else {
                head = try row.decode("version")
            }
        }
        guard let head else { throw Problem.unauthenticated }
        return (head, settings.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
    }

    package func values(of keys: [String], of user: UUID) async throws -> [(key: String, value: RawJSON)] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT key, value FROM user_settings WHERE user_id = \(user) AND key = ANY (\(keys)) AND value IS NOT NULL
                """)
        }
        return try rows.map { (key: try $0.decode("key"), value: try $0.decode("value")) }
    }

    package func setting(_ key: String, of user: UUID) async throws -> Setting? {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT value, version, updated_at FROM user_settings
                WHERE user_id = \(user) AND key = \(key) AND value IS NOT NULL
                """)
        }
        return try rows.first.map { try Self.setting(key, $0) }
    }

    package func history(of key: String, user: UUID) async throws -> [FormerSetting] {
        let rows = try await database.answering {
            try await $0.read(
                of: user,
                """
                SELECT value, version, device_name, replaced_at FROM user_setting_history
                WHERE user_id = \(user) AND key = \(key) ORDER BY version DESC LIMIT 20
                """)
        }
        return try rows.map { row in
            FormerSetting(
                value: try row.decode("value"), version: try row.decode("version"),
                deviceName: try row.decode("device_name", as: String?.self),
                replacedAt: try row.decode("replaced_at"))
        }
    }

    package func write(_ signed: SignedMutation, _ change: SettingChange) async throws -> Applied {
        try await mutate(signed, Self.args(change)) { try Self.complete($0, with: change) }
    }

    package func patch(_ signed: SignedMutation, _ changes: [SettingChange]) async throws -> Applied {
        try await mutate(signed, Self.args(changes)) { kept in
            var outcome = kept
            outcome.output = try kept.output.map { try Self.complete($0, with: changes) }
            return outcome
        }
    }

    package func clear(_ signed: SignedMutation) async throws -> Applied {
        try await mutate(signed, RawJSON(.object([:]))) { $0 }
    }

    /// - Parameter complete: puts what is in the request into an answer, which is kept without it: whoever asks again sends it again.
    private func mutate(
        _ signed: SignedMutation, _ args: RawJSON, complete: (Outcome) throws -> Outcome
    ) async throws -> Applied {
        let applied = try await sync.mutate(
            signed, args, refusal: { SettingsRefusal(code: $0, current: $1["current"])?.problem })
        guard applied.outcome.status == .applied else { return applied }
        return Applied(outcome: try complete(applied.outcome), change: applied.change, shared: applied.shared)
    }

    // The arguments have the values as they were written, letter for letter.

    private static func args(_ change: SettingChange) -> RawJSON {
        var writer = JSONWriter()
        writer.raw("{\"key\":")
        writer.plain(change.key)
        if let value = change.value {
            writer.raw(",\"value\":")
            writer.raw(value)
        }
        writer.raw("}")
        return RawJSON(utf8: writer.bytes)
    }

    private static func args(_ changes: [SettingChange]) -> RawJSON {
        var writer = JSONWriter()
        writer.raw("{")
        for (number, change) in changes.enumerated() {
            if number > 0 { writer.raw(",") }
            writer.plain(change.key)
            writer.raw(":")
            if let value = change.value { writer.raw(value) } else { writer.raw("null") }
        }
        writer.raw("}")
        return RawJSON(utf8: writer.bytes)
    }

    /// Of one setting its version and its time are kept.
    private static func complete(_ kept: Outcome, with change: SettingChange) throws -> Outcome {
        guard let version = kept.version else { return kept }
        var outcome = kept
        outcome.document = Document(collection: "settings", id: change.key, value: change.value, version: version)
        outcome.output = try change.value.flatMap { value in
            try kept.output.flatMap { try JSON(parsing: $0.utf8, deepest: 1).string.flatMap { Timestamp(text: $0) } }
                .map {
                    var writer = JSONWriter()
                    Setting(key: change.key, value: value, version: version, updatedAt: $0).write(to: &writer)
                    return RawJSON(utf8: writer.bytes)
                }
        }
        return outcome
    }

    /// Of several, all but their values.
    private static func complete(_ kept: RawJSON, with changes: [SettingChange]) throws -> RawJSON {
        let written = Dictionary(
            changes.map { ($0.key.verbatim, $0.value) }, uniquingKeysWith: { _, last in last })
        guard case .array(let list)? = try JSON(parsing: kept.utf8, deepest: 8)["settings"] else { return kept }
        var writer = JSONWriter()
        writer.raw("{\"settings\":")
        writer.list(list.compactMap { setting($0, written) }) { $1.write(to: &$0) }
        writer.raw("}")
        return RawJSON(utf8: writer.bytes)
    }

    private static func setting(_ kept: JSON, _ written: [Verbatim: RawJSON?]) -> Setting? {
        guard let key = kept["key"]?.string, let value = written[key.verbatim] ?? nil,
            let version = kept["version"]?.integer,
            let updatedAt = kept["updated_at"]?.string.flatMap({ Timestamp(text: $0) })
        else { return nil }
        return Setting(key: key, value: value, version: version, updatedAt: updatedAt)
    }

    private static func setting(_ key: String, _ row: Row) throws -> Setting {
        Setting(
            key: key, value: try row.decode("value"), version: try row.decode("version"),
            updatedAt: try row.decode("updated_at"))
    }
}
