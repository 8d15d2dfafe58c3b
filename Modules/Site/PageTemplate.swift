import API
import NIOCore

/// A page as it is sent, in pieces: what is the same for everybody, and between it the places, written `{{name}}`, of what
/// differs.
struct PageTemplate: Sendable {
    private struct Piece: Sendable {
        /// What stands before the place.
        let text: ByteBuffer
        let place: Place
    }

    private enum Place: Sendable {
        case theme, resolvedTheme, accessibility, account, email
        /// One that only some pages have; as it is written where nothing is said of it.
        case other(Verbatim)

        init(_ name: String) {
            switch name.verbatim {
            case "theme": self = .theme
            case "resolved_theme": self = .resolvedTheme
            case "accessibility": self = .accessibility
            case "account": self = .account
            case "email": self = .email
            default: self = .other(name.verbatim)
            }
        }
    }

    private let pieces: [Piece]
    private let rest: ByteBuffer
    private let count: Int

    /// - Parameter text: of a page; a name is letters a to z and underscores.
    init(_ text: String) {
        var pieces: [Piece] = []
        let bytes = Array(text.utf8)
        var start = 0
        var at = 0
        while at < bytes.count {
            guard let name = Self.name(in: bytes, at: at) else {
                at += 1
                continue
            }
            let place = Place(String(decoding: name, as: UTF8.self))
            pieces.append(Piece(text: ByteBuffer(bytes: bytes[start..<at]), place: place))
            at = name.endIndex + 2
            start = at
        }
        self.pieces = pieces
        rest = ByteBuffer(bytes: bytes[start...])
        count = bytes.count
    }

    /// What stands in the two braces that begin at `start`; nil where there are none.
    private static func name(in bytes: [UInt8], at start: Int) -> ArraySlice<UInt8>? {
        let brace = UInt8(ascii: "{")
        guard start + 1 < bytes.count, bytes[start] == brace, bytes[start + 1] == brace else { return nil }
        let name = bytes[(start + 2)...].prefix { byte in
            byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
        }
        return !name.isEmpty && bytes[name.endIndex...].starts(with: "}}".utf8) ? name : nil
    }

    /// The page as it looks to its user. What is filled in is not looked at for places again.
    /// - Parameter others: HTML by the names of places that not every page has.
    func filled(
        for look: PageAppearance, prefersDark: Bool, _ others: [Verbatim: String] = [:]
    ) -> ByteBuffer {
        // An account's id and address, a theme; what is longer makes it grow.
        var page = ByteBufferAllocator().buffer(capacity: count + 256)
        for piece in pieces {
            page.writeImmutableBuffer(piece.text)
            switch piece.place {
            case .theme: page.writeString(look.theme)
            case .resolvedTheme: page.writeString(look.resolvedTheme(prefersDark: prefersDark))
            case .accessibility: page.writeString(look.accessibility)
            case .account: page.writeString(look.account)
            case .email: page.writeString(PageAppearance.escape(look.email))
            case .other(let name): page.writeString(others[name] ?? "{{\(name)}}")
            }
        }
        page.writeImmutableBuffer(rest)
        return page
    }
}
