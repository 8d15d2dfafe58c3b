import FoundationEssentials

/// What stands in headers, the query and places in lists. What is taken comes back from the text that we write of it.
enum TextTarget {
    static func take(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        percent(text)
        pieces(text)
        places(text)
        addresses(text)
        forwarded(text)
    }

    private static func percent(_ text: String) {
        for plusIsBlank in [false, true] {
            guard let decoded = text.percentDecoded(plusIsBlank: plusIsBlank) else { continue }
            holds(decoded.utf8.count <= text.utf8.count, "decoding makes it longer")
            let digits = Array("0123456789abcdef".utf8)
            let encoded = decoded.utf8.flatMap { [UInt8(ascii: "%"), digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            let again = String(decoding: encoded, as: UTF8.self).percentDecoded(plusIsBlank: plusIsBlank)
            holds(again?.verbatim == decoded.verbatim, "percent-encoding does not come back")
        }
    }

    private static func pieces(_ text: String) {
        let pieces = text.pieces(between: ",")
        holds(pieces.joined(separator: ",").verbatim == text.verbatim, "the pieces are not the whole")
        holds(text.pieces(between: "=", most: 2).count <= 2, "more pieces than asked for")
        holds(text.upTo("?").utf8.count <= text.utf8.count && text.trimmed.utf8.count <= text.utf8.count, "a cut adds")
        holds(text.asciiLowercased.utf8.count == text.utf8.count, "small letters are as many")
    }

    private static func places(_ text: String) {
        if let cursor = Cursor(text) { holds(cursor.text.verbatim == text.verbatim, "a cursor in two spellings") }
        if let place = TimePlace(text) { holds(place.text.verbatim == text.verbatim, "a place in two spellings") }
        if let zone = TimeZoneName(text) { holds(zone.text.verbatim == text.verbatim, "a zone in two spellings") }
        if let id = UUID(text: text) { holds(UUID(text: id.text) == id, "an id does not come back") }
        if let time = Timestamp(text: text) {
            let lost = time.microseconds - (Timestamp(text: time.text)?.microseconds ?? .min / 2)
            // Beyond the year 9999, an offset can lead there, the text has no digits.
            holds(
                (0..<1_000).contains(lost) || time.text.starts(with: "0000") || time.text.starts(with: "9999"),
                "\(time.text)")
        }
    }

    private static func addresses(_ text: String) {
        for address in [IPAddress(text), IPAddress(node: text)] {
            guard let address else { continue }
            holds([4, 16].contains(address.bytes.count), "an address of \(address.bytes.count) bytes")
            holds(IPAddress(address.description) == address, "\(address) does not come back")
            holds(!address.network.isEmpty, "\(address) is of no network")
        }
        for origin in [Origin(text), Origin(ofAddress: text), Origin(scheme: "https", authority: text)] {
            guard let origin else { continue }
            holds(Origin(origin.description) == origin, "\(origin) does not come back")
        }
    }

    private static func forwarded(_ text: String) {
        let elements = ForwardedHeader.elements(text)
        holds(elements.joined().reduce(0) { $0 + $1.value.utf8.count } <= text.utf8.count * 3, "`Forwarded` grows")
        _ = ForwardedHeader.members(of: [text]).map { IPAddress(node: $0) }
    }
}
