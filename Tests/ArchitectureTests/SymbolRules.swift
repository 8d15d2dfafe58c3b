/// No symbol is offered to the other rooms that none of them names: it becomes `internal`, or goes.
enum SymbolRules {
    /// What a protocol of a library asks for by name.
    private static let asked: Set<String> = [
        "appendInterpolation", "appendLiteral", "channelInactive", "channelRead", "channelWritabilityChanged",
        "coreContext", "destroyCounter", "destroyMeter", "destroyRecorder", "destroyTimer", "errorCaught",
        "handlerAdded", "handlerRemoved", "makeCounter", "makeMeter", "makeRecorder", "makeTimer", "setup",
        "userInboundEventTriggered",
    ]

    private static let offered = Pattern(
        #"^[ \t]*(?:@\w+ )*package (?:(?:static|final|nonisolated|mutating|private\(set\)) )*(?:let|var|func) (\w+)"#)
    private static let body = Pattern(#"\bprotocol \w+[^{]*\{([^}]*(?:\{[^}]*\}[^}]*)*)\n\}"#)
    private static let requirement = Pattern(#"\b(?:var|func) (\w+)"#)
    /// What documents and bodies are made of is read from JSON, and held to the database by tests.
    private static let model = Pattern(#":\s*(?:\w+, )*Model\b"#)

    static func unnamed(_ tree: SourceTree) -> [Violation] {
        var rooms: [Substring: Set<String>] = [:]
        var asked = asked
        var own: [(file: SourceFile, module: String, code: String)] = []
        for file in tree.files where file.isSwift && file.path != "Package.swift" {
            var text = file.text
            if let module = file.module {
                let source = SwiftSource(text)
                own.append((file, module, source.code))
                // What an interpolation names is code too.
                text = source.code + source.literals.map(\.text).joined(separator: "\n")
                for match in body.matches(in: source.code) {
                    asked.formUnion(requirement.matches(in: match.groups[1]).map { $0.groups[1] })
                }
            }
            for name in words(of: text) { rooms[name, default: []].insert(file.module ?? "Tests") }
        }
        return own.filter { !model.holds(in: $0.code) }.flatMap { file, module, code in
            offered.matches(in: code).filter { rooms[$0.groups[1][...]] == [module] && !asked.contains($0.groups[1]) }
                .map {
                    Violation(
                        path: file.path, line: $0.line,
                        reason: "`\($0.groups[1])` is named in no other room: `internal`")
                }
        }
    }

    private static let letters = Set(
        (0...0xFF).filter { byte -> Bool in
            let small = byte | 0x20
            return (0x61...0x7A).contains(small) || (0x30...0x39).contains(byte) || byte == 0x5F || byte >= 0x80
        }.map { UInt8($0) })

    private static func words(of text: String) -> Set<Substring> {
        Set(text.utf8.split { !letters.contains($0) }.map { Substring($0) })
    }
}
