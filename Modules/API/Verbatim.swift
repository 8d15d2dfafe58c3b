/// A text as the bytes that it is. Two are equal, and sorted, by their UTF-8.
///
/// To `String` texts are equal when they look alike: it composes characters anew for each comparison and each hash, which
/// costs the square of their length where a letter carries thousands of accents, and a `Character` is as long as whoever
/// wrote it wants. So text that came from outside is never compared, hashed, searched or cut as a `String`: as this, or
/// through `utf8`. `Tests/ArchitectureTests` holds it (docs/decisions/0032).
package struct Verbatim: Sendable, Hashable, Comparable {
    package let text: String

    package init(_ text: some StringProtocol) {
        self.text = String(text)
    }

    package static func == (a: Verbatim, b: Verbatim) -> Bool {
        a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
    }

    package static func < (a: Verbatim, b: Verbatim) -> Bool {
        a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // Ends it, as a text in a row of several must not run into the next.
        hasher.combine(0xFF as UInt8)
    }
}

extension Verbatim: ExpressibleByStringInterpolation {
    package init(stringLiteral literal: String) {
        text = literal
    }
}

extension Verbatim: CustomStringConvertible {
    package var description: String { text }
}

extension StringProtocol {
    /// For a comparison by bytes: `type.verbatim == "auth"`, `switch type.verbatim`.
    package var verbatim: Verbatim { Verbatim(self) }

    /// With A to Z made small, and nothing else: what HTTP calls case-insensitive.
    package var asciiLowercased: String {
        String(
            decoding: utf8.map { byte in
                byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
            }, as: UTF8.self)
    }

    /// Whether there is nothing in it but blanks.
    package var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }

    package func starts(with prefix: StaticString) -> Bool {
        utf8.starts(with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
    }
}

// Every place where one of these cuts stands beside an ASCII byte, and so between two characters of Unicode.
extension Substring {
    /// What stands behind `prefix`; nil when it does not begin so.
    package func behind(_ prefix: StaticString) -> Substring? {
        starts(with: prefix) ? Substring(utf8.dropFirst(prefix.utf8CodeUnitCount)) : nil
    }

    /// The pieces between `separator`s, empty ones too.
    package func pieces(between separator: Unicode.Scalar, most: Int = .max) -> [Substring] {
        utf8.split(separator: UInt8(ascii: separator), maxSplits: most - 1, omittingEmptySubsequences: false)
            .map { Substring($0) }
    }

    /// Up to the first `end`, or all of it.
    package func upTo(_ end: Unicode.Scalar) -> Substring {
        Substring(utf8.prefix { $0 != UInt8(ascii: end) })
    }

    /// Without the blanks and tabs around it, which HTTP allows about the parts of a header.
    package var trimmed: Substring {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var bytes = utf8.drop(while: isSpace)
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return Substring(bytes)
    }
}

extension String {
    package func behind(_ prefix: StaticString) -> Substring? { self[...].behind(prefix) }
    package func pieces(between separator: Unicode.Scalar, most: Int = .max) -> [Substring] {
        self[...].pieces(between: separator, most: most)
    }
    package func upTo(_ end: Unicode.Scalar) -> Substring { self[...].upTo(end) }
    package var trimmed: Substring { self[...].trimmed }
}

extension StringProtocol {
    /// nil for what is no percent-encoding, or not of UTF-8, or has a NUL in it, which nobody can keep.
    package func percentDecoded(plusIsBlank: Bool = false) -> String? {
        func digit(_ byte: UInt8?) -> UInt8? {
            switch byte {
            case let byte? where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"): byte - UInt8(ascii: "0")
            case let byte? where byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "f"):
                byte | 0x20 - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(utf8.count)
        var bytes = utf8.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = digit(bytes.next()), let low = digit(bytes.next()) else { return nil }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        return decoded.contains(0) ? nil : String(validating: decoded, as: UTF8.self)
    }
}
