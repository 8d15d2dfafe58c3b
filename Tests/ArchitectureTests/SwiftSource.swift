/// A Swift text taken apart into what the compiler reads and what people read, so that a rule about code does not
/// stumble over a comment, nor one about strings over code. Lines keep their numbers.
struct SwiftSource: Sendable {
    /// The text with comments and the insides of string literals blanked.
    let code: String
    /// String literals with the line they begin on, interpolations included as they are written.
    let literals: [(line: Int, text: String)]

    init(_ text: String) {
        var scanner = Scanner(text)
        scanner.scan()
        code = String(decoding: scanner.code, as: UTF8.self)
        literals = scanner.literals
    }
}

private struct Scanner {
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1
    private(set) var code: [UInt8] = []
    private(set) var literals: [(line: Int, text: String)] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
        code.reserveCapacity(bytes.count)
    }

    mutating func scan() {
        while at < bytes.count {
            if starts("//") {
                while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { blank() }
            } else if starts("/*") {
                blockComment()
            } else if let hashes = opensLiteral() {
                literal(hashes)
            } else {
                keep()
            }
        }
    }

    private func starts(_ word: StaticString, at offset: Int? = nil) -> Bool {
        let start = offset ?? at
        guard start + word.utf8CodeUnitCount <= bytes.count else { return false }
        return word.withUTF8Buffer { bytes[start..<start + $0.count].elementsEqual($0) }
    }

    private mutating func keep() {
        if bytes[at] == UInt8(ascii: "\n") { line += 1 }
        code.append(bytes[at])
        at += 1
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where at < bytes.count {
            let isBreak = bytes[at] == UInt8(ascii: "\n")
            if isBreak { line += 1 }
            code.append(isBreak ? UInt8(ascii: "\n") : UInt8(ascii: " "))
            at += 1
        }
    }

    /// Block comments nest.
    private mutating func blockComment() {
        var depth = 0
        repeat {
            if starts("/*") {
                depth += 1
                blank(2)
            } else if starts("*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && at < bytes.count
    }

    /// How many `#` a literal that begins here has before its quote; nil where none begins.
    private func opensLiteral() -> Int? {
        var end = at
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
        return end < bytes.count && bytes[end] == UInt8(ascii: "\"") ? end - at : nil
    }

    private mutating func literal(_ hashes: Int) {
        let began = line
        for _ in 0..<hashes { keep() }
        let isMultiline = starts("\"\"\"")
        let quotes = isMultiline ? 3 : 1
        for _ in 0..<quotes { keep() }
        let start = at
        while at < bytes.count, !closes(quotes, hashes) {
            if !isMultiline, bytes[at] == UInt8(ascii: "\n") { break }
            if bytes[at] == UInt8(ascii: "\\"), escapes(hashes) {
                blank(1 + hashes)
                if at < bytes.count, bytes[at] == UInt8(ascii: "(") { interpolation() } else { blank() }
            } else {
                blank()
            }
        }
        literals.append((began, String(decoding: bytes[start..<at], as: UTF8.self)))
        for _ in 0..<(quotes + hashes) where at < bytes.count && bytes[at] != UInt8(ascii: "\n") { keep() }
    }

    private func closes(_ quotes: Int, _ hashes: Int) -> Bool {
        guard quotes == 3 ? starts("\"\"\"") : starts("\"") else { return false }
        let end = at + quotes + hashes
        return end <= bytes.count && bytes[(at + quotes)..<end].allSatisfy { $0 == UInt8(ascii: "#") }
    }

    private func escapes(_ hashes: Int) -> Bool {
        let end = at + 1 + hashes
        return end < bytes.count && bytes[(at + 1)..<end].allSatisfy { $0 == UInt8(ascii: "#") }
    }

    /// Code inside a literal: kept as code, with the literals inside it taken out in turn.
    private mutating func interpolation() {
        var depth = 0
        repeat {
            if let hashes = opensLiteral() {
                literal(hashes)
                continue
            }
            if bytes[at] == UInt8(ascii: "(") { depth += 1 }
            if bytes[at] == UInt8(ascii: ")") { depth -= 1 }
            keep()
        } while depth > 0 && at < bytes.count
    }
}
