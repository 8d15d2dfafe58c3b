import API
package import FoundationEssentials
package import Settings
package import Sync

/// Settings in `user_settings`; what decides is the function `settings_apply` of migration 0015, one round trip.
package struct PostgresSettings: SettingsRepository {
    private let database: Database
    private let sync: PostgresSync

    package init(database: Database) {
        self.database = database
        sync = PostgresSync(database: database)
    }

    package func settings(of user: UUID) async throws -> (head: Version, settings: [Setting]) {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT NULL::text AS key, NULL::json AS value, version, NULL::timestamptz AS updated_at
                FROM sync_heads WHERE user_id = \(user)
                UNION ALL SELECT key, value, version, updated_at
                FROM user_settings WHERE user_id = \(user) AND value IS NOT NULL
                """)
        }
        var head: Version?
        var settings: [Setting] = []
        settings.reserveCapacity(rows.count)
        for row in rows {
            if let key = try row.decode("key", as: String?.self) {
                settings.append(try Self.setting(key, row))
            } else {
                head = try row.decode("version")
            }
        }
        guard let head else { throw Problem.unauthenticated }
        return (head, settings.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
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

    package func apply(_ signed: SignedMutation, _ changes: [SettingChange]?) async throws -> Applied {
        let m = signed.mutation
        let keys = changes?.map(\.key)
        let values = changes?.map(\.value)
        let rows = try await database.answering {
            try await $0.write(
                for: signed.user,
                """
                SELECT \(raw: MutationResultRow.columns) FROM settings_apply(\(sql: signed.arguments), \
                \(keys), \(values), \(m.baseVersion), \
                \(m.precondition?.version)) AS r
                """)
        }
        return try await sync.settle(
            signed, rows, refusal: { SettingsRefusal(code: $0, current: $1["current"])?.problem },
            documents: { row in
                let written = Dictionary(
                    (changes ?? []).map { ($0.key, $0.value) }, uniquingKeysWith: { _, last in last })
                return row.changed.compactMap(\.self).map { key in
                    Document(collection: "settings", id: key, value: written[key] ?? nil, version: row.head)
                }
            })
    }

    private static func setting(_ key: String, _ row: Row) throws -> Setting {
        Setting(
            key: key, value: try row.decode("value"), version: try row.decode("version"),
            updatedAt: try row.decode("updated_at"))
    }
}
