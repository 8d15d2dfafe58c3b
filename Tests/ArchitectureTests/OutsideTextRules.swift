import Foundation

/// Text that came from outside is keyed, compared and cut by its bytes (docs/decisions/0032). A rule sees no types, so it
/// looks for what is written when a text is handled as a `String`, and a remark on the line says where that is right:
/// `// ours` (nobody outside chooses the text), `// bounded` (it is so short that it does not matter). No length makes a regular
/// expression harmless: one that goes back and tries again takes hours for 60 letters.
enum OutsideTextRules {
    private static let key = Pattern(#"\[String\s*:|\bSet<String>|\bDictionary<String\b|\bRateLimiter<String>"#)
    private static let call = Pattern(
        #"\.(lowercased|uppercased|capitalized|hasPrefix|hasSuffix|replacing|replacingOccurrences"#
            + #"|trimmingCharacters|trimmingPrefix|precomposedString\w*|decomposedString\w*|folding"#
            + #"|caseInsensitiveCompare|localized\w*Compare|removingPercentEncoding"#
            + #"|queryParameters)\b"#
            + #"|\.components\(|\.(split|contains|firstIndex|lastIndex|firstRange|ranges)\((separator: |of: )?""#
            + #"|(?<!properties)\.(isWhitespace|isLetter|isNumber|isNewline|isPunctuation)\b"#)
    private static let expression = Pattern(
        #"\.(wholeMatch|prefixMatch|firstMatch|matches)\(of:|\b(Regex|NSRegularExpression)\b"#)
    private static let comparison = Pattern(#"(\S+)\s+(?:==|!=)\s+"|"\s+(?:==|!=)\s"#)
    private static let list = Pattern(#""\s*\]\s*\.contains\([^()]*\)"#)
    private static let caseLine = Pattern(#"^([ \t]*)case ""#)
    private static let remark = Pattern(#"//.*\b(ours|bounded)\b"#)
    private static let oursAlone = Pattern(#"//.*\bours\b"#)

    /// Members that hold words of our own.
    private static let ourWords = ["code", "scheme", "collection", "sqlState", "constraint", "pathExtension"]

    /// Files whose texts are all written by us: the configuration, files beside the binary, what our processes tell each
    /// other and the database.
    private static let ourFiles = [
        "App/Configuration.swift", "App/SettingTable.swift", "App/Logging.swift", "Modules/Site/PageTemplates.swift",
        "Modules/API/PrometheusMetrics.swift",
        "Modules/Accounts/PasswordHasher.swift", "Modules/Market/Ledger.swift", "Modules/Persistence/",
        "Modules/Realtime/HintBus.swift",
    ]

    /// Files that see what a request carries: the features without their Storage, and what in App answers requests.
    private static func seesRequests(_ file: SourceFile) -> Bool {
        if file.module == "App" { return file.text.contains("import Hummingbird\n") }
        return file.module != "Persistence" && !file.isStorage
    }

    static func verbatim(_ tree: SourceTree) -> [Violation] {
        tree.server.filter { file in !ourFiles.contains { file.path.hasPrefix($0) } }.flatMap { file -> [Violation] in
            let code = SwiftSource(file.text).code
            let remarks = Set(remark.matches(in: file.text).map(\.line))
            var found = key.matches(in: code).map { ($0.line, "a text as a key is a Verbatim") }
            if seesRequests(file) {
                found += call.matches(in: code)
                    .map { ($0.line, "`\($0.groups[0])` goes by characters; go by bytes") }
                found += comparison.matches(in: code).filter { !isByBytes($0.groups[1]) }
                    .map { ($0.line, "compare a text as `verbatim`") }
                found += list.matches(in: code).filter { !$0.groups[0].contains("verbatim") }
                    .map { ($0.line, "look a text up as `verbatim`") }
                found += switches(code)
            }
            found = found.filter { !remarks.contains($0.0) }
            if seesRequests(file) {
                let ours = Set(oursAlone.matches(in: file.text).map(\.line))
                found += expression.matches(in: code).filter { !ours.contains($0.line) }
                    .map { ($0.line, "a regular expression may take for ever; read byte by byte") }
            }
            return
                found
                .map { Violation(path: file.path, line: $0.0, reason: $0.1) }
        }
    }

    private static func isByBytes(_ compared: String) -> Bool {
        let last = compared.split(separator: ".").last.map(String.init) ?? compared
        return last == "verbatim" || ourWords.contains(last)
    }

    /// A `case "…"` belongs to the nearest `switch` above it that stands as far to the left.
    private static func switches(_ code: String) -> [(Int, String)] {
        let lines = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return caseLine.matches(in: code).compactMap { line, groups in
            let head = groups[1] + "switch "
            // One that is an expression stands further to the right.
            let above = lines[..<(line - 1)].last { $0.hasPrefix(head) || $0.contains("= switch ") }
            guard let above, let subject = above.components(separatedBy: "switch ").last else { return nil }
            let words = subject.replacing("{", with: "").trimmingCharacters(in: .whitespaces)
            return isByBytes(words) ? nil : (line, "switch over a text as `verbatim`")
        }
    }
}
