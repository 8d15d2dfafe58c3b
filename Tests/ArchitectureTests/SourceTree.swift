import Foundation

/// One file of the clone: its path from the root, with `/`, and its text.
struct SourceFile: Sendable {
    let path: String
    let text: String

    /// The path's pieces: `["Modules", "Sync", "Cursor.swift"]`.
    var pieces: [String] { path.split(separator: "/").map(String.init) }

    /// The module whose source this is: the folder below `Modules/`, or `App`; nil for tests and all else.
    var module: String? {
        if path.hasPrefix("App/") { return "App" }
        return pieces.first == "Modules" && pieces.count > 2 ? pieces[1] : nil
    }

    /// Whether it lies in the part of a feature that speaks to the database: `Modules/<Feature>/Storage/`.
    var isStorage: Bool { pieces.first == "Modules" && pieces.count > 3 && pieces[2] == "Storage" }

    var isSwift: Bool { path.hasSuffix(".swift") }
}

/// The files that the rules look at: the clone's, read from disk, or a fixture's.
struct SourceTree: Sendable {
    let files: [SourceFile]

    init(_ files: [SourceFile]) {
        self.files = files.sorted { $0.path < $1.path }
    }

    /// A fixture: path by path.
    init(_ texts: [String: String]) {
        self.init(texts.map { SourceFile(path: $0.key, text: $0.value) })
    }

    /// The server's own Swift: `App/` and `Modules/`.
    var server: [SourceFile] { files.filter { $0.isSwift && $0.module != nil } }

    /// The folders below `Modules/`, whether or not they hold Swift.
    var modules: Set<String> { Set(files.compactMap(\.module)).subtracting(["App"]) }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

    /// The clone that this test was built from.
    static let clone = SourceTree(read(root: root))

    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What is written by hand: no hidden folders (builds, the environment of the process tests), nothing binary.
    private static func read(root: URL) -> [SourceFile] {
        let walk = FileManager.default.enumerator(
            at: root, includingPropertiesForKeys: [.isRegularFileKey], options: [.skipsHiddenFiles])
        var found: [SourceFile] = []
        while let url = walk?.nextObject() as? URL {
            if ["node_modules", "__pycache__"].contains(url.lastPathComponent) {
                walk?.skipDescendants()
            } else if let text = try? String(contentsOf: url, encoding: .utf8), !text.contains("\0") {
                found.append(SourceFile(path: String(url.path.dropFirst(root.path.count + 1)), text: text))
            }
        }
        return found
    }
}

/// A rule that does not hold, and where.
struct Violation: Sendable, Hashable, CustomStringConvertible {
    let path: String
    let line: Int
    let reason: String

    var description: String { "\(path):\(line): \(reason)" }
}

/// A regular expression, compiled once. `Regex` is not Sendable, and slow over a whole tree.
struct Pattern: Sendable {
    private let expression: NSRegularExpression?

    /// - Parameter text: `^` and `$` stand at lines' ends; `.` stops there too.
    init(_ text: String) {
        expression = try? NSRegularExpression(pattern: text, options: [.anchorsMatchLines])
        assert(expression != nil, "no regular expression: \(text)")
    }

    /// Every match with the line it begins on (from 1) and its groups, the whole match first; "" for one left out.
    func matches(in text: String) -> [(line: Int, groups: [String])] {
        guard let expression else { return [] }
        let source = text as NSString
        return expression.matches(in: text, range: NSRange(location: 0, length: source.length)).map { match in
            let groups = (0..<match.numberOfRanges).map { at in
                let range = match.range(at: at)
                return range.location == NSNotFound ? "" : source.substring(with: range)
            }
            // A leading blank or line break that the expression took along is not where the reader should look.
            let start = match.range.location + groups[0].prefix { $0.isWhitespace }.utf16.count
            let line = source.substring(to: start).utf8.count { $0 == UInt8(ascii: "\n") } + 1
            return (line, groups)
        }
    }

    func holds(in text: String) -> Bool { !matches(in: text).isEmpty }
}
