/// Migrations come in pairs, and what belongs to a user can be found by the user.
enum MigrationRules {
    private static let name = Pattern(#"^Migrations/(\d{4})_([A-Za-z0-9_]+)(\.down)?\.sql$"#)
    private static let table = Pattern(#"(?i)\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z_]+)\s*\("#)
    private static let userColumn = Pattern(#"(?i)(?:^|[(,])\s*user_id\s+uuid\b"#)
    private static let primaryKey = Pattern(#"(?i)PRIMARY\s+KEY\s*\(\s*([a-z_]+)"#)

    /// `NNNN_name.sql` has its `NNNN_name.down.sql` and the other way round; a number stands for one migration.
    static func pairs(_ tree: SourceTree) -> [Violation] {
        let files = tree.files.filter { $0.path.hasPrefix("Migrations/") && $0.path.hasSuffix(".sql") }
        let paths = Set(files.map(\.path))
        var names: [String: String] = [:]
        return files.flatMap { file -> [Violation] in
            guard let groups = name.matches(in: file.path).first?.groups else {
                return [Violation(path: file.path, line: 1, reason: "is not called NNNN_name.sql")]
            }
            let base = "Migrations/\(groups[1])_\(groups[2])"
            var wrong: [Violation] = []
            let first = names[groups[1], default: base]
            names[groups[1]] = first
            if first != base {
                wrong.append(Violation(path: file.path, line: 1, reason: "\(groups[1]) is \(first)'s number"))
            }
            let partner = groups[3].isEmpty ? base + ".down.sql" : base + ".sql"
            if !paths.contains(partner) {
                wrong.append(Violation(path: file.path, line: 1, reason: "\(partner) is missing"))
            }
            return wrong
        }
    }

    /// What one signs in with is unique among all users, and may live in another database than its user (0038).
    private static let ofNoUser: Set<String> = ["identities"]

    /// A table with a user_id has it first in its primary key, so that users can be spread over databases.
    static func userFirst(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { $0.path.hasPrefix("Migrations/") && $0.path.hasSuffix(".sql") }.flatMap { file in
            let text = withoutComments(file.text)
            return table.matches(in: text).compactMap { line, groups -> Violation? in
                let body = body(after: groups[0], in: text)
                guard userColumn.holds(in: body), !ofNoUser.contains(groups[1]) else { return nil }
                guard primaryKey.matches(in: body).first?.groups[1].lowercased() != "user_id" else { return nil }
                return Violation(
                    path: file.path, line: line, reason: "\(groups[1]): user_id is not first in its primary key")
            }
        }
    }

    /// What a trigger, a default or a generated column calls, and what is written for ever: docs/decisions/0036.
    private static let structure: Set<String> = [
        "shared_advance", "sync_epoch", "wire_time", "focus_moved", "market_fold", "market_item_edited",
        "market_transactions_refuse", "transaction_hash", "recommendation_basket_left",
    ]
    private static let rule = Pattern(
        #"(?i)\bCREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|VIEW|TYPE|PROCEDURE)\s+([a-z_0-9]+)"#)
    private static let made = Pattern(#"(?i)\bCREATE\s+(?:UNIQUE\s+)?(TABLE|INDEX|TRIGGER|SEQUENCE)\b"#)
    private static let replacing = Pattern(#"(?i)\bOR\s+REPLACE\b"#)

    /// Migrations hold structure, a feature's .sql holds rules, and no file replaces what another made.
    static func rulesApart(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { $0.path.hasSuffix(".sql") && !$0.path.hasPrefix("Benchmarks/") }.flatMap {
            file -> [Violation] in
            let text = withoutComments(file.text)
            let replaced = replacing.matches(in: text).map {
                Violation(path: file.path, line: $0.line, reason: "replaces what another file made")
            }
            if file.isStorage {
                return replaced
                    + made.matches(in: text).map {
                        Violation(path: file.path, line: $0.line, reason: "\($0.groups[1]): that is a migration's")
                    }
            }
            guard file.path.hasPrefix("Migrations/") else { return [] }
            return replaced
                + rule.matches(in: text).filter { !structure.contains($0.groups[2]) }.map {
                    Violation(
                        path: file.path, line: $0.line,
                        reason: "\($0.groups[2]) is a rule: it stands beside its feature")
                }
        }
    }

    private static func withoutComments(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.firstRange(of: "--").map { String(line[..<$0.lowerBound]) } ?? String(line)
        }.joined(separator: "\n")
    }

    /// What stands between the brackets of `CREATE TABLE name (`.
    private static func body(after opening: String, in text: String) -> String {
        guard let start = text.firstRange(of: opening) else { return "" }
        var depth = 1
        return String(
            text[start.upperBound...].prefix { letter in
                depth += letter == "(" ? 1 : letter == ")" ? -1 : 0
                return depth > 0
            })
    }
}
