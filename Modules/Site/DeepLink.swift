import API
import FoundationEssentials
import HTTPTypes
import Hummingbird

/// Where somebody was going when they were asked to sign in: a page of the app, and nothing else. An address that a stranger
/// put into a link must not lead elsewhere, so what is not plainly one of ours is the app's first page.
struct DeepLink: Sendable, Equatable {
    private static let home = "/app/today"
    private static let longest = 1_024

    /// A path with its query, to be sent as it is.
    let target: String

    init(_ address: String) {
        let taken = address.utf8.allSatisfy(Self.isPlain)
        let parts = address.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let plain =
            taken && address.utf8.count <= Self.longest
            && path.hasPrefix("/app/") && !path.contains("//")  // bounded
            && !path.contains("..") && !path.contains("%")  // bounded
        target = plain ? address : Self.home
    }

    /// The page that was asked for.
    init(to request: Request) {
        self.init(request.uri.string)
    }

    /// What the sign-in page was told.
    init(next request: Request) {
        self.init((try? request.query("next")) ?? "")
    }

    /// The sign-in page that leads there.
    var login: String {
        guard target != Self.home else { return "/login" }
        var text = "/login?next="
        for byte in target.utf8 {
            // Everything that means something in a query is written by its number.
            if Self.isWord(byte) || byte == UInt8(ascii: "/") {
                text.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0" : "%"
                text += digits
            }
        }
        return text
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        isWord(byte) || "/?=&%+,:#".utf8.contains(byte)
    }
}

extension Request {
    /// Whether a person's browser asks, and not a program.
    var wantsPage: Bool {
        method == .get && accepts("text/html")
    }

    /// Whether a program asks for JSON by name.
    var wantsJSON: Bool {
        !accepts("text/html") && (accepts("application/json") || accepts("application/problem+json"))
    }

    private func accepts(_ type: Verbatim) -> Bool {
        headers[values: .accept].contains { accept in
            accept.pieces(between: ",").contains { $0.upTo(";").trimmed.asciiLowercased.verbatim == type }
        }
    }
}
