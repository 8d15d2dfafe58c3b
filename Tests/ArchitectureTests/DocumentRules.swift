/// What ARCHITECTURE.md says of files is so.
enum DocumentRules {
    private static let quoted = Pattern(#"`([^`\n]+)`"#)
    private static let symbolInFile = Pattern(
        #"`([A-Za-z_][A-Za-z0-9_.]*)`\s+(?:of\s+`[A-Za-z_]+`\s+)?in\s+`([^`\n]+)`"#)
    private static let suffixes = [".swift", ".sql", ".js", ".py", ".md"]

    /// Every file that it names exists, and "`symbol` in `file`" has the symbol.
    static func architecture(_ tree: SourceTree) -> [Violation] {
        guard let document = tree.file("ARCHITECTURE.md") else {
            return [Violation(path: "ARCHITECTURE.md", line: 1, reason: "is missing")]
        }
        let files = quoted.matches(in: document.text).filter { _, groups in
            groups[1].contains("/") && suffixes.contains(where: groups[1].hasSuffix) && !groups[1].contains("*")
        }
        let missing = files.filter { tree.file($0.groups[1]) == nil }.map {
            Violation(path: document.path, line: $0.line, reason: "\($0.groups[1]) does not exist")
        }
        let wrong = symbolInFile.matches(in: document.text).compactMap { line, groups -> Violation? in
            guard let file = tree.file(groups[2]) else { return nil }
            guard !file.text.contains(groups[1]) else { return nil }
            return Violation(path: document.path, line: line, reason: "\(groups[2]) has no \(groups[1])")
        }
        return missing + wrong
    }
}
