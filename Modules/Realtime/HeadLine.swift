import NIOCore

/// Measures a request's first line as it comes in, to tell a long address from long headers where a head is too large. It knows
/// no more than lines: behind a request in the same packet a head begins anywhere.
struct HeadLine {
    /// Of the first line that came last.
    private(set) var target = 0
    private var length = 0
    /// Of the line that is coming in, once it is known: a header's is a name and a colon, the last one is empty.
    private var isFirst: Bool?

    mutating func take(_ bytes: ByteBufferView) {
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            take(line: rest[..<end])
            (length, isFirst) = (0, nil)
            rest = rest[(end + 1)...]
        }
        take(line: rest)
    }

    private mutating func take(line: ByteBufferView) {
        // No method has so many letters.
        if isFirst == nil, length < 64, let mark = line.prefix(64).first(where: { !Self.isOfToken($0) }) {
            isFirst = mark != UInt8(ascii: ":") && mark != UInt8(ascii: "\r")
        }
        length += line.count
        if isFirst == true { target = length }
    }

    /// RFC 9110, 5.6.2.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
