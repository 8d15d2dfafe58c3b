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

    /// The one table. A feature knows neither another feature, nor Persistence, nor Realtime; only App sees all.
    static let rooms: [String: Room] = [
        "API": Room(ours: [], others: edge.union(["Crypto", "Metrics"])),
        "Sync": Room(ours: ["API"], others: edge.union(["Crypto"])),
        "Accounts": Room(ours: ["API", "Sync"], others: edge.union(["NIOPosix", "Crypto", "CryptoExtras"])),
        "Settings": Room(ours: ["API", "Sync"], others: edge),
        "Flags": Room(ours: ["API", "Sync"], others: edge.union(["Metrics"])),
        "Focus": Room(ours: ["API", "Sync"], others: edge.union(["ServiceLifecycle"])),
        "Market": Room(ours: ["API", "Sync"], others: edge.union(["Crypto", "ServiceLifecycle"])),
        "Realtime": Room(
            ours: ["API", "Sync"],
            others: [
                "HummingbirdCore", "HTTPTypes", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOCore", "NIOPosix", "NIOHTTP1",
                "NIOWebSocket", "Crypto", "ServiceLifecycle", "DequeModule", "AsyncAlgorithms", "Logging", "Metrics",
            ]),
        "Persistence": Room(
            ours: ["CLibPQ", "API", "Sync", "Accounts", "Settings", "Flags", "Focus", "Market"],
            others: ["Logging", "Crypto", "ServiceLifecycle", "DequeModule", "Metrics"]),
        "CLibPQ": Room(ours: [], others: []),
        "App": Room(
            ours: ["API", "Sync", "Accounts", "Settings", "Flags", "Focus", "Market", "Realtime", "Persistence"],
            others: edge.union([
                "HummingbirdCore", "NIOPosix", "NIOHTTP1", "ServiceLifecycle", "UnixSignals", "Crypto", "Metrics",
                "ArgumentParser", "Configuration",
            ])),
    ]

    private static let importLine = Pattern(
        #"^[ \t]*(?:@\w+(?:\([^)]*\))?[ \t]+)*(?:(public|package|internal|fileprivate|private)[ \t]+)?import[ \t]+"#
            + #"(?:(?:struct|class|enum|protocol|func|var|let|typealias)[ \t]+)?([A-Za-z_]\w*)"#)

    /// Every import line of every room is in its row, and every room has one.
    static func imports(_ tree: SourceTree) -> [Violation] {
        let roomless = tree.modules.subtracting(rooms.keys).sorted().map {
            Violation(path: "Modules/\($0)", line: 1, reason: "the module has no row in the table of imports")
        }
        return roomless
            + tree.server.flatMap { file -> [Violation] in
                guard let module = file.module, let room = rooms[module] else { return [] }
                let allowed = room.ours.union(room.others).union(everywhere)
                return importLine.matches(in: SwiftSource(file.text).code).compactMap { line, groups in
                    if allowed.contains(groups[2]) { return nil }
                    return Violation(path: file.path, line: line, reason: "\(module) may not import \(groups[2])")
                }
            }
    }

    /// The rows and the `needs:` of Package.swift say the same.
    static func graph(_ tree: SourceTree) -> [Violation] {
        guard let package = tree.file("Package.swift") else {
            return [Violation(path: "Package.swift", line: 1, reason: "is missing")]
        }
        let line = Pattern(#"module\(\s*"(\w+)",\s*needs:\s*\[([^\]]*)\]"#)
        return line.matches(in: package.text).compactMap { at, groups in
            let needs = Set(groups[2].split { !$0.isLetter && !$0.isNumber }.map(String.init))
            let row = rooms[groups[1]]?.ours
            if row == needs { return nil }
            return Violation(
                path: package.path, line: at,
                reason: "\(groups[1]) needs \(needs.sorted()), its row says \(row?.sorted() ?? [])")
        }
    }
}
