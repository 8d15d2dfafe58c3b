/// Who may know whom, row by row. The package manager does not hold this wall: an undeclared import of a module that
/// was built for another target compiles.
struct Room: Sendable {
    /// Our own modules that it may import, and Package.swift must name exactly these.
    let ours: Set<String>
    /// Modules of other packages.
    let others: Set<String>
}

enum ImportRules {
    /// What every room may import: the standard library's own.
    static let everywhere: Set<String> = [
        "Swift", "Synchronization", "Foundation", "FoundationEssentials", "Glibc", "Musl", "Darwin",
    ]

    static let edge: Set<String> = ["Hummingbird", "HTTPTypes", "NIOCore", "Logging"]

    /// The table. A feature knows neither another feature nor Realtime; only App sees all. Of a room that needs Persistence, what
    /// lies under Storage/ alone imports it.
    private static let rows: [String: Room] = [
        "CLibPQ": Room(ours: [], others: []),
        "Persistence": Room(ours: ["CLibPQ"], others: ["Logging", "Crypto", "ServiceLifecycle", "DequeModule"]),
        "API": Room(ours: [], others: edge.union(["Crypto", "Metrics"])),
        "Sync": Room(ours: ["API", "Persistence"], others: edge.union(["Crypto", "ServiceLifecycle", "Metrics"])),
        "Realtime": Room(
            ours: ["API", "Sync"],
            others: [
                "HummingbirdCore", "HTTPTypes", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOCore", "NIOPosix", "NIOHTTP1",
                "NIOWebSocket", "Crypto", "ServiceLifecycle", "DequeModule", "AsyncAlgorithms", "Logging", "Metrics",
            ]),
        "Site": Room(ours: ["API", "Accounts"], others: edge.union(["Crypto"])),
    ]

    /// The row of every feature, which is what Package.swift makes by `feature(…)`.
    private static let feature = Room(ours: ["API", "Sync", "Persistence"], others: edge)

    /// What a feature imports besides, on purpose.
    private static let more: [String: Set<String>] = [
        "Accounts": ["NIOPosix", "Crypto", "CryptoExtras", "ServiceLifecycle"],
        "Flags": ["Metrics"],
        "Focus": ["ServiceLifecycle"],
        "Market": ["Crypto", "ServiceLifecycle"],
    ]

    private static let featureLine = Pattern(#"\bfeature\(\s*"(\w+)""#)

    private static func features(_ tree: SourceTree) -> [(line: Int, name: String)] {
        featureLine.matches(in: tree.file("Package.swift")?.text ?? "").map { ($0.line, $0.groups[1]) }
    }

    static func rooms(_ tree: SourceTree) -> [String: Room] {
        var rooms = rows
        for (_, name) in features(tree) {
            rooms[name] = Room(ours: feature.ours, others: feature.others.union(more[name] ?? []))
        }
        rooms["App"] = Room(
            ours: Set(rooms.keys).subtracting(["CLibPQ"]).union(["FeatureList"]),
            others: edge.union([
                "HummingbirdCore", "NIOPosix", "NIOHTTP1", "ServiceLifecycle", "UnixSignals", "Crypto", "Metrics",
                "ArgumentParser", "Configuration",
            ]))
        return rooms
    }

    private static let importLine = Pattern(
        #"^[ \t]*(?:@\w+(?:\([^)]*\))?[ \t]+)*(?:(public|package|internal|fileprivate|private)[ \t]+)?import[ \t]+"#
            + #"(?:(?:struct|class|enum|protocol|func|var|let|typealias)[ \t]+)?([A-Za-z_]\w*)"#)

    /// Every import line of every room is in its row, and every room has one.
    static func imports(_ tree: SourceTree) -> [Violation] {
        let rooms = rooms(tree)
        let roomless = tree.modules.subtracting(rooms.keys).sorted().map {
            Violation(path: "Modules/\($0)", line: 1, reason: "the module has no row in the table of imports")
        }
        return roomless
            + tree.server.flatMap { file -> [Violation] in
                guard let module = file.module, let room = rooms[module] else { return [] }
                var allowed = room.ours.union(room.others).union(everywhere)
                if module != "App", !file.isStorage { allowed.remove("Persistence") }
                return importLine.matches(in: SwiftSource(file.text).code).compactMap { line, groups in
                    if allowed.contains(groups[2]) { return nil }
                    return Violation(path: file.path, line: line, reason: "\(module) may not import \(groups[2])")
                }
            }
    }

    /// App's one list of features, and the commands, which are about one each.
    private static let listsFeatures = Pattern(#"^App/(Features/Features|\w+Command)\.swift$"#)

    /// A module that registers itself as a feature is named by the list alone: everything else that goes over features is built
    /// from it.
    static func featuresAreListedOnce(_ tree: SourceTree) -> [Violation] {
        let features = Set(
            tree.server.filter { $0.pieces.count == 3 && $0.pieces[2].hasSuffix("Feature.swift") }.compactMap(\.module)
        ).subtracting(["Sync", "Accounts"])
        return tree.server.filter { $0.module == "App" && !listsFeatures.holds(in: $0.path) }.flatMap { file in
            importLine.matches(in: SwiftSource(file.text).code).filter { features.contains($0.groups[2]) }.map {
                Violation(
                    path: file.path, line: $0.line,
                    reason: "\($0.groups[2]) is named by App/Features/Features.swift alone")
            }
        }
    }

    /// The rows and the `needs:` of Package.swift say the same, and App lists the features that Package.swift makes.
    static func graph(_ tree: SourceTree) -> [Violation] {
        guard let package = tree.file("Package.swift") else {
            return [Violation(path: "Package.swift", line: 1, reason: "is missing")]
        }
        // `feature(…)` hands on a name and no text.
        let line = Pattern(#"module\(\s*("\w+"|name),\s*needs:\s*\[([^\]]*)\]"#)
        let differing = line.matches(in: package.text).compactMap { at, groups -> Violation? in
            let needs = Set(groups[2].split { !$0.isLetter && !$0.isNumber }.map(String.init))
            let name = groups[1].filter { $0 != "\"" }
            let row = groups[1] == "name" ? feature.ours : rows[name]?.ours
            if row == needs { return nil }
            return Violation(
                path: package.path, line: at,
                reason: "\(name) needs \(needs.sorted()), its row says \(row?.sorted() ?? [])")
        }
        let listed = importLine.matches(in: tree.file("App/Features/Features.swift")?.text ?? "").map(\.groups[2])
        return differing
            + features(tree).filter { !listed.contains($0.name) }.map {
                Violation(path: package.path, line: $0.line, reason: "\($0.name) is not in App/Features/Features.swift")
            }
    }
}
