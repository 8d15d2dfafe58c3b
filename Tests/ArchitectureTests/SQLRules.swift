/// What holds for the rules in SQL: how large a function is, and which room may name what.
enum SQLRules {
    static let mostLines = 50

    /// Whose each table is, where the name of its migration does not say it: `0021_habits.sql` makes tables of Habits.
    static let tables: [String: Set<String>] = [
        "Sync": ["sync_heads", "sync_shared", "mutations", "sync_conflicts"],
        "Accounts": [
            "owned_buckets", "users", "identities", "devices", "sessions", "device_presence", "account_erasures",
        ],
        "Settings": ["user_settings", "user_setting_history"],
        "Focus": ["focus_sessions", "focus_pause_state"],
        "Market": [
            "market_items", "market_personal_items", "market_transactions", "market_recommendations", "user_wallet",
            "user_inventory", "user_rewards", "user_market_purchases", "recommendation_state", "recommendation_baskets",
            "recommendation_leavings", "recommendation_items", "recommendation_pairs",
        ],
        "Flags": ["feature_flags", "storage_guard_reports"],
    ]

    /// What the SQL of other rooms may name of each: the tables whose locks order all writers, and functions and views.
    static let published: [String: Set<String>] = [
        "Sync": [
            "sync_heads", "sync_shared", "mutate", "mutation_refuse", "mutation_full", "conflict_keep", "storage_limit",
            "mutation_fates",
        ],
        // A device's name, and how far its mutations were purged.
        "Accounts": [
            "asking", "devices", "live_sessions", "user_is_owned", "user_ids", "leaving_users", "bucket_ownership",
        ],
        "Settings": ["setting_number", "user_zone"],
        "Focus": ["focus_completed_count", "focus_completed_days", "focus_mark_unpaid"],
        "Market": ["focus_completed"],
    ]

    private static let function = Pattern(#"^CREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+([a-z_0-9]+)"#)
    private static let made = Pattern(#"^CREATE\s+(?:FUNCTION|VIEW)\s+([a-z_0-9]+)"#)
    private static let table = Pattern(#"^CREATE\s+TABLE\s+([a-z_0-9]+)"#)
    private static let migration = Pattern(#"^Migrations/\d+_([a-z]+)\.sql$"#)
    private static let called = Pattern(#"\b([a-z_0-9]+)\s*\("#)
    private static let read = Pattern(#"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+([a-z_0-9]+)"#)

    /// No function has more than 50 lines, from CREATE to the end of its body.
    static func sizes(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { $0.path.hasSuffix(".sql") }.flatMap { file -> [Violation] in
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            return function.matches(in: file.text).compactMap { first, groups in
                let end = lines[first...].firstIndex { $0.hasPrefix("$$") } ?? lines.endIndex
                let count = end - first + 2
                guard count > mostLines else { return nil }
                return Violation(
                    path: file.path, line: first, reason: "\(groups[1]) has \(count) lines; \(mostLines) is the most")
            }
        }
    }

    /// A feature's SQL, in .sql and in Swift, names its own tables, and of others what they publish.
    static func ownTables(_ tree: SourceTree) -> [Violation] {
        var owners: [String: String] = [:]
        for (room, names) in tables { for name in names { owners[name] = room } }
        let rules = tree.files.filter { $0.isStorage && $0.path.hasSuffix(".sql") }
        for file in rules { for one in made.matches(in: file.text) { owners[one.groups[1]] = file.module } }
        let unowned = tree.files.filter { $0.path.hasPrefix("Migrations/") }.flatMap { file -> [Violation] in
            let called = migration.matches(in: file.path).first?.groups[1]
            let room = tree.modules.first { $0.lowercased() == called }
            return table.matches(in: file.text).filter { owners[$0.groups[1]] == nil }.compactMap { line, groups in
                owners[groups[1]] = room
                guard room == nil else { return nil }
                return Violation(
                    path: file.path, line: line, reason: "\(groups[1]) is nobody's; add it to SQLRules.tables")
            }
        }
        return unowned
            + rules.flatMap { foreign(in: $0.text, of: $0, owners) }
            + tree.server.filter(\.isStorage).flatMap { file in
                SwiftSource(file.text).literals.flatMap { foreign(in: $0.text, of: file, owners, from: $0.line) }
            }
    }

    private static func foreign(
        in text: String, of file: SourceFile, _ owners: [String: String], from first: Int = 1
    ) -> [Violation] {
        let code = code(of: text)
        return (called.matches(in: code) + read.matches(in: code)).compactMap { line, groups in
            let name = groups[1]
            guard let owner = owners[name], owner != file.module, published[owner]?.contains(name) != true
            else { return nil }
            return Violation(
                path: file.path, line: first + line - 1, reason: "\(name) is \(owner)'s, and not published")
        }
    }

    /// Without comments and texts.
    private static func code(of text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let statement = line.firstRange(of: "--").map { line[..<$0.lowerBound] } ?? line
            return statement.split(separator: "'", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 0 }.map(\.element).joined(separator: " ")
        }.joined(separator: "\n")
    }
}
