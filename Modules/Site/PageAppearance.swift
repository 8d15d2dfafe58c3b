import API

/// How a page looks to its user: what its root element says.
struct PageAppearance {
    var theme = "system"
    var accessibility = ""
    var email = ""
    /// The user's id.
    var account = ""

    init() {}

    /// - Parameter values: what the features say, by the names in the templates.
    init(_ values: [Verbatim: String], account: String, email: String) {
        self.account = account
        self.email = email
        theme = values["theme"] ?? theme
        accessibility = values["accessibility"] ?? accessibility
    }

    /// `light` or `dark`: what the system prefers where the user left it to that.
    func resolvedTheme(prefersDark: Bool) -> String {
        theme.verbatim == "system" ? (prefersDark ? "dark" : "light") : theme
    }

    /// By bytes: to Swift a quote and the accent that follows it are one character, to a browser they are two.
    static func escape(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += "&amp;".utf8
            case UInt8(ascii: "<"): bytes += "&lt;".utf8
            case UInt8(ascii: ">"): bytes += "&gt;".utf8
            case UInt8(ascii: "\""): bytes += "&quot;".utf8
            case UInt8(ascii: "'"): bytes += "&#39;".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
