/// The words of each room: what a line may name tells which room it belongs to.
enum VocabularyRules {
    private static let sql = [
        Pattern(#"\b(SELECT|INSERT|WHERE|RETURNING|TRUNCATE|SAVEPOINT|ROLLBACK)\b"#),
        Pattern(
            #"(?i)\b(select\s+[^;]+\sfrom\s+\w|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s"#
                + #"|(create|alter|drop)\s+(table|index|function|type|database|schema)\s|\bpg_\w)"#),
    ]
    private static let driver = Pattern(#"\w*Postgres\w*|\b(PQ|PG)[A-Za-z]\w*"#)
    private static let edge = Pattern(#"\w*(HTTP|Request|Response)\w*"#)
    private static let featureNouns = ["Setting", "Focus", "Market", "Wallet", "Coin", "Purchase", "Reward", "Theme"]
    private static let feature = Pattern(
        featureNouns.map { noun in
            #"\w*\#(noun)(s\b|s?(?![a-z])\w*)|\b\#(noun.lowercased())s?(?![a-z])\w*"#
        }.joined(separator: "|"))
    private static let environment = Pattern(
        #"\bprocessInfo\s*\.\s*environment\b|\b(secure_getenv|getenv|setenv|putenv)\s*\(|\benviron\b"#
            + #"|\bEnvironmentVariablesProvider\b"#)
    private static let task = Pattern(
        #"\bTask\s*(<[^>{}]*>)?\s*(\([^(){}]*\))?\s*\{|\bTask\s*\.\s*(detached|immediate)\b"#)

    /// The one file of Realtime that may start unstructured work: sockets outlive the call that opened them.
    static let realtimeService = "Modules/Realtime/Hub.swift"

    /// No SQL outside Persistence and a feature's Storage/, and no driver either, but for the composition root, which chooses it.
    static func storage(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { $0.module != "Persistence" && !$0.isStorage }.flatMap {
            file -> [Violation] in
            let source = SwiftSource(file.text)
            let statements = source.literals.compactMap { line, text -> Violation? in
                guard sql.contains(where: { $0.holds(in: text) }) else { return nil }
                return Violation(path: file.path, line: line, reason: "SQL in a string: that is Storage/'s")
            }
            if file.module == "App" { return statements }
            let literals = source.literals.filter { driver.holds(in: $0.text) }.map {
                Violation(path: file.path, line: $0.line, reason: "names the database: that is Storage/'s")
            }
            return statements + literals + found(driver, in: source.code, of: file, "is a word of Storage/")
        }
    }

    /// No word of the edge where the database is spoken to.
    static func edgeWords(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { $0.module == "Persistence" || $0.isStorage }.flatMap {
            found(edge, in: SwiftSource($0.text).code, of: $0, "is a word of the edge")
        }
    }

    /// No noun of a feature in Realtime and Sync: they carry and keep documents, whatever they say.
    static func featureWords(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { ["Realtime", "Sync"].contains($0.module) }.flatMap { file -> [Violation] in
            let source = SwiftSource(file.text)
            return found(feature, in: source.code, of: file, "is a feature's noun")
                + source.literals.flatMap { line, text in
                    feature.matches(in: text).map {
                        Violation(path: file.path, line: line, reason: "\($0.groups[0]) is a feature's noun")
                    }
                }
        }
    }

    /// The environment is read by App alone, and handed on as values.
    static func environmentAccess(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { $0.module != "App" }.flatMap {
            found(environment, in: SwiftSource($0.text).code, of: $0, "reads the environment: that is App's")
        }
    }

    /// No unstructured task but where lifetimes are kept: App and Realtime's service.
    static func bareTasks(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { $0.module != "App" && $0.path != realtimeService }.flatMap {
            found(task, in: SwiftSource($0.text).code, of: $0, "starts work that nobody waits for")
        }
    }

    private static func found(
        _ pattern: Pattern, in text: String, of file: SourceFile, _ reason: String
    ) -> [Violation] {
        pattern.matches(in: text).map { line, groups in
            Violation(path: file.path, line: line, reason: "`\(groups[0])` \(reason)")
        }
    }
}
