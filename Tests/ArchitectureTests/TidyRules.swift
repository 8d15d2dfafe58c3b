/// Sizes, names and leftovers.
enum TidyRules {
    static let mostLines = 400
    private static let counted = [".swift", ".sql", ".py", ".js", ".mjs", ".css", ".html", ".sh"]
    private static let emptyWords: Set<String> = [
        "Util", "Utils", "Utility", "Utilities", "Helper", "Helpers", "Common", "Core", "Misc",
    ]
    private static let declaration = Pattern(#"\b(?:class|struct|enum|protocol|actor|typealias)\s+([A-Z]\w*)"#)
    private static let leftover = Pattern(#"\b(TODO|FIXME|XXX|HACK)\b.*$"#)
    private static let decision = Pattern(#"\bDEC-\d{3}\b|docs/decisions/\d{4}"#)
    private static let publicAccess = Pattern(#"(?<![.\w])public\b|(?<![.\w])open\s+(class|func|var|subscript)\b"#)
    private static let trap = Pattern(#"\bfatalError\s*\(|\btry!|\bas!"#)

    /// No file above 400 lines, unless its first line says why: `// Long because …`.
    static func sizes(_ tree: SourceTree) -> [Violation] {
        tree.files.compactMap { file in
            guard counted.contains(where: file.path.hasSuffix) else { return nil }
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            let count = file.text.hasSuffix("\n") ? lines.count - 1 : lines.count
            guard count > mostLines, lines.first?.contains("Long because ") != true else { return nil }
            return Violation(
                path: file.path, line: mostLines + 1, reason: "has \(count) lines; \(mostLines) is the most")
        }
    }

    /// Nothing is called by a word that says nothing.
    static func names(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { !$0.path.hasPrefix("docs/") }.flatMap { file -> [Violation] in
            let paths = file.pieces.filter { isEmpty($0.split(separator: ".").first.map(String.init) ?? $0) }.map {
                Violation(path: file.path, line: 1, reason: "\($0) is a name that says nothing")
            }
            guard file.isSwift else { return paths }
            return paths
                + declaration.matches(in: SwiftSource(file.text).code).compactMap { line, groups in
                    guard isEmpty(groups[1]) else { return nil }
                    return Violation(path: file.path, line: line, reason: "\(groups[1]) is a name that says nothing")
                }
        }
    }

    /// Whether one of the words of `someName`, `SomeName`, `some-name` or `some_name` is an empty one.
    private static func isEmpty(_ name: String) -> Bool {
        var words: [String] = []
        for letter in name {
            if letter == "_" || letter == "-" || letter == "+" || letter == " " {
                words.append("")
            } else if letter.isUppercase || words.isEmpty {
                words.append(letter.uppercased())
            } else {
                let last = words.removeLast()
                words.append(last.isEmpty ? letter.uppercased() : last + String(letter))
            }
        }
        return words.contains { emptyWords.contains($0) }
    }

    /// What is left to do is a decision, or an issue; not a remark in the code. These rules alone must name the words.
    static func leftovers(_ tree: SourceTree) -> [Violation] {
        tree.files.filter { !$0.path.hasPrefix("Tests/ArchitectureTests/") && !$0.path.hasSuffix(".md") }
            .flatMap { file in
                leftover.matches(in: file.text).compactMap { line, groups in
                    if decision.holds(in: groups[0]) { return nil }
                    return Violation(path: file.path, line: line, reason: "\(groups[1]) without a decision")
                }
            }
    }

    /// The server exports nothing: `package` is for the next room, `public` for clients' libraries.
    static func access(_ tree: SourceTree) -> [Violation] {
        tree.server.flatMap { file in
            publicAccess.matches(in: SwiftSource(file.text).code).map { line, _ in
                Violation(path: file.path, line: line, reason: "the server has nothing public")
            }
        }
    }

    /// Nothing ends the process, and every socket with it.
    static func traps(_ tree: SourceTree) -> [Violation] {
        tree.server.flatMap { file in
            trap.matches(in: SwiftSource(file.text).code).map { line, groups in
                Violation(path: file.path, line: line, reason: "`\(groups[0])` ends the process")
            }
        }
    }
}
