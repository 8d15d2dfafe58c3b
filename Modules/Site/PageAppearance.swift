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
    init(_ values: [Verbatim: String]) {
        theme = values["theme"] ?? theme
        accessibility = values["accessibility"] ?? accessibility
    }

    /// All but the address are words of our own; it goes in last, so that nothing in it is filled in.
    func fill(_ template: String, prefersDark: Bool) -> String {
        let resolved = theme.verbatim == "system" ? (prefersDark ? "dark" : "light") : theme
        return template.replacing("{{theme}}", with: theme)  // ours
            .replacing("{{resolved_theme}}", with: resolved)  // ours
            .replacing("{{accessibility}}", with: accessibility).replacing("{{account}}", with: account)  // ours
            .replacing("{{email}}", with: Self.escape(email))  // ours: the template
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
