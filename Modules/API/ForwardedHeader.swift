/// Reads lists in headers (`X-Forwarded-For`) and `Forwarded` (RFC 7239).
enum ForwardedHeader {
    /// The members of a list over all headers of a name.
    static func members(of values: [String]) -> [String] {
        values.flatMap { value in
            value.utf8.split(separator: UInt8(ascii: ",")).map { part in
                String(decoding: unquoted(trimmed(part)), as: UTF8.self)
            }
        }
    }

    private static let names: Set<Verbatim> = ["for", "proto", "host"]

    /// The parameters of each element, by name in lower case. What cannot be read is left out.
    static func elements(_ text: String) -> [[Verbatim: String]] {
        var elements: [[Verbatim: String]] = []
        var element: [Verbatim: String] = [:]
        for (piece, end) in pieces(Array(text.utf8)) {
            if let equals = piece.firstIndex(of: UInt8(ascii: "=")) {
                let name = String(decoding: trimmed(piece[..<equals]), as: UTF8.self).asciiLowercased.verbatim
                let value = trimmed(piece[(equals + 1)...])
                // The first says it; a proxy would not say it twice.
                if Self.names.contains(name), element[name] == nil {
                    element[name] = String(decoding: unquoted(value), as: UTF8.self)
                }
            }
            if end == UInt8(ascii: ",") {
                elements.append(element)
                element = [:]
            }
        }
        return text.isEmpty ? [] : elements + [element]
    }

    /// Cuts at commas and semicolons that stand outside of quotes. It goes from the end: what stands there is of the nearest
    /// proxy, whose words count, and a quote that a client has left open swallows nothing of them.
    private static func pieces(_ bytes: [UInt8]) -> [(ArraySlice<UInt8>, end: UInt8?)] {
        var pieces: [(ArraySlice<UInt8>, end: UInt8?)] = []
        var end = bytes.count
        var quoted = false
        for index in bytes.indices.reversed() {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                // One behind a backslash stands for itself.
                let escapes = bytes[..<index].reversed().prefix { $0 == UInt8(ascii: "\\") }.count
                if escapes.isMultiple(of: 2) { quoted.toggle() }
            case UInt8(ascii: ",") where !quoted, UInt8(ascii: ";") where !quoted:
                pieces.append((bytes[(index + 1)..<end], end < bytes.count ? bytes[end] : nil))
                end = index
            default: break
            }
        }
        return (pieces + [(bytes[..<end], end < bytes.count ? bytes[end] : nil)]).reversed()
    }

    private static func unquoted(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var bytes = Array(bytes)
        guard bytes.count >= 2, bytes.first == UInt8(ascii: "\""), bytes.last == UInt8(ascii: "\"")
        else { return bytes }
        bytes.removeFirst()
        bytes.removeLast()
        var plain: [UInt8] = []
        var escaped = false
        for byte in bytes {
            // A backslash says that the next stands for itself.
            escaped = byte == UInt8(ascii: "\\") && !escaped
            if !escaped { plain.append(byte) }
        }
        return plain
    }

    private static func trimmed(_ bytes: some BidirectionalCollection<UInt8>) -> [UInt8] {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        return bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
    }
}
