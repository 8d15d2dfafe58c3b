/// Every problem has a code of the table. A `Problem` takes a `ProblemCode` and nothing else; here is held that each of these
/// stands in a list, each list in the catalogue or a feature's registration, and that the database refuses with no code besides.
enum ProblemRules {
    static let catalogue = "App/ProblemCatalogue.swift"
    /// Where details are made of what is handed in.
    private static let home = "Modules/API/ProblemCode.swift"
    private static let rooms = "Modules/Sync/StorageRoom.swift"

    private static let made = Pattern(#"\bProblemCode\s*\("#)
    private static let entry = Pattern(#"^[ \t]*(?:package )?static let (\w+) = ProblemCode\(\s*"([a-z_]+)""#)
    private static let list = Pattern(#"static let (\w+): \[ProblemCode\] = \[([^\]]*)\]"#)
    private static let word = Pattern(#"\w+"#)
    private static let detail = Pattern(#"\bProblemDetail\("#)
    private static let namedDetail = Pattern(#"static let (\w+) = ProblemDetail\("#)
    private static let refusal = Pattern(#"'code',\s*'([^']*)'"#)

    static func table(_ tree: SourceTree) -> [Violation] {
        let registered = tree.server.filter { $0.path == catalogue || $0.path.hasSuffix("Feature.swift") }
            .map(\.text).joined()
        var names: Set<String> = []
        var found: [Violation] = []
        for file in tree.server {
            let entries = entry.matches(in: file.text)
            let lists = list.matches(in: file.text)
            let listed = Set(lists.flatMap { word.matches(in: $0.groups[2]).map { $0.groups[0] } })
            let lines = Set(entries.map(\.line))
            found += made.matches(in: SwiftSource(file.text).code).filter { !lines.contains($0.line) }
                .map { violation(file, $0.line, "a code is a constant of `ProblemCode`") }
            for (line, groups) in entries {
                if !listed.contains(groups[1]) { found.append(violation(file, line, "stands in no list of its file")) }
                if !names.insert(groups[2]).inserted { found.append(violation(file, line, "is there already")) }
            }
            if file.path != home {
                let named = namedDetail.matches(in: file.text)
                let shown = file.text.split(separator: "others: [").dropFirst().compactMap {
                    $0.split(separator: "]").first
                }
                .flatMap { word.matches(in: String($0)).map { $0.groups[0] } }
                found += detail.matches(in: SwiftSource(file.text).code)
                    .filter { match in !named.contains { $0.line == match.line } && file.path != rooms }
                    .map { violation(file, $0.line, "a detail is a constant of `ProblemDetail`, in its code's table") }
                found += named.filter { !shown.contains($0.groups[1]) }
                    .map { violation(file, $0.line, "is a detail of no code") }
            }
            found += lists.filter { !registered.contains("ProblemCode.\($0.groups[1])") }
                .map { violation(file, $0.line, "the list is not in the catalogue") }
        }
        return found
            + tree.files.filter { $0.isStorage && $0.path.hasSuffix(".sql") }.flatMap { file in
                refusal.matches(in: file.text).filter { !names.contains($0.groups[1]) }
                    .map { violation(file, $0.line, "`\($0.groups[1])` is no code of the table") }
            }
    }

    private static let worded = Pattern(#"^ {4}(?: {4})?([a-z_]+): "#)
    private static let spoken = Pattern(#"\bSPOKEN = new Set\(\[([^\]]*)\]\)"#)
    private static let clientCode = Pattern(#"(?:\bcode: |, id, )"([a-z_]+)""#)

    /// Of these a person hears no more than that the server refused it: they concern whoever programs a client, and the web app's
    /// own requests do not meet them.
    static let unworded: Set<String> = [
        "bad_request", "device_forked", "headers_too_large", "idempotency_key_required", "idempotency_key_reused",
        "invalid_body", "invalid_idempotency_key", "invalid_if_match", "invalid_query", "method_not_allowed",
        "not_implemented", "unknown_mutation", "unsupported_media_type", "upgrade_required", "uri_too_long",
    ]

    /// What the web client says of a code in its own words is said of one that the server's table has or the client itself
    /// makes up; a word for one that is gone, or misspelt, is never shown. And of every code of the table it has words, in
    /// pages/app/problems.js or its feature's file, or the code is `unworded`.
    static func words(_ tree: SourceTree) -> [Violation] {
        let scripts = tree.files.filter { $0.path.hasPrefix("Clients/Web/") && $0.path.hasSuffix(".js") }
        let entries = tree.server.flatMap { file in entry.matches(in: file.text).map { (file, $0.line, $0.groups[2]) } }
        let known = Set(
            entries.map(\.2) + scripts.flatMap { clientCode.matches(in: $0.text).map { $0.groups[1] } })
        var said = unworded
        var found: [Violation] = []
        for file in scripts {
            for (line, code) in codes(in: file) {
                said.insert(code)
                if !known.contains(code) { found.append(violation(file, line, "`\(code)` is no code that there is")) }
            }
        }
        guard scripts.contains(where: { $0.path.hasSuffix("/problems.js") }) else { return found }
        return found
            + entries.filter { !said.contains($0.2) }
            .map { violation($0.0, $0.1, "the web client has no words for `\($0.2)`") }
    }

    /// The codes that a file of the web client has words for, or leaves to the server to say.
    private static func codes(in file: SourceFile) -> [(line: Int, code: String)] {
        if file.path.hasSuffix("/problems.js") {
            return worded.matches(in: file.text).map { ($0.line, $0.groups[1]) }
                + spoken.matches(in: file.text).flatMap { match in
                    word.matches(in: match.groups[1]).map { (match.line, $0.groups[0]) }
                }
        }
        let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = lines.firstIndex(of: "    problems: {"),
            let end = lines[first...].firstIndex(of: "    },")
        else { return [] }
        return worded.matches(in: file.text).filter { (first..<end).contains($0.line - 1) }.map {
            ($0.line, $0.groups[1])
        }
        .filter { $0.1 != "problems" }
    }

    private static func violation(_ file: SourceFile, _ line: Int, _ reason: String) -> Violation {
        Violation(path: file.path, line: line, reason: reason)
    }
}
