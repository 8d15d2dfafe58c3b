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

    /// A table with a user_id has it first in its primary key, so that the database can be distributed by user.
    static func userFirst(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { $0.path.hasPrefix("Migrations/") && $0.path.hasSuffix(".sql") }.flatMap { file in
            let text = withoutComments(file.text)
            return table.matches(in: text).compactMap { line, groups -> Violation? in
                let body = body(after: groups[0], in: text)
                guard userColumn.holds(in: body) else { return nil }
                guard primaryKey.matches(in: body).first?.groups[1].lowercased() != "user_id" else { return nil }
                return Violation(
                    path: file.path, line: line, reason: "\(groups[1]): user_id is not first in its primary key")
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
