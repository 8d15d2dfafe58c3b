/// The house's compiler settings stand on every target.
enum PackageRules {
    private static let target = Pattern(#"\.(target|executableTarget|testTarget|macro|plugin)\("#)
    static let settings = [
        ".treatAllWarnings(as: .error)", ".enableUpcomingFeature(\"InternalImportsByDefault\")",
        ".enableUpcomingFeature(\"MemberImportVisibility\")", ".enableUpcomingFeature(\"ExistentialAny\")",
    ]

    static func house(_ tree: SourceTree) -> [Violation] {
        guard let package = tree.file("Package.swift") else {
            return [Violation(path: "Package.swift", line: 1, reason: "is missing")]
        }
        let missing = settings.filter { !package.text.contains($0) }.map {
            Violation(path: package.path, line: 1, reason: "house() does not say \($0)")
        }
        let mode =
            package.text.contains("swiftLanguageModes: [.v6]")
            ? [] : [Violation(path: package.path, line: 1, reason: "the language mode is not 6")]
        let code = SwiftSource(package.text).code
        let bare = target.matches(in: code).enumerated().compactMap { index, match -> Violation? in
            guard !call(number: index, in: code).contains("swiftSettings: house()") else { return nil }
            return Violation(path: package.path, line: match.line, reason: "a target without house()")
        }
        return missing + mode + bare
    }

    /// The text of the n-th target's call, from its name to the bracket that closes it.
    private static func call(number: Int, in code: String) -> String {
        var rest = Substring(code)
        for at in 0...number {
            guard let start = rest.firstRange(of: #/\.(?:target|executableTarget|testTarget|macro|plugin)\(/#) else {
                return ""
            }
            if at == number {
                var depth = 1
                let body = rest[start.upperBound...]
                return String(
                    body.prefix { letter in
                        depth += letter == "(" ? 1 : letter == ")" ? -1 : 0
                        return depth > 0
                    })
            }
            rest = rest[start.upperBound...]
        }
        return ""
    }
}
