/// Where a web page comes from: scheme, host and port, with the port filled in that its scheme has by default. Compared
/// like that and never as text: `https://a.example`, `HTTPS://A.example:443` and `https://a.example.` are one.
package struct Origin: Sendable, Hashable, CustomStringConvertible {
    private static let defaultPorts = ["http": 80, "https": 443]

    package let scheme: String
    /// In lower case; IPv6 as everybody writes it, in brackets; without a dot at its end.
    package let host: String
    package let port: Int

    /// `scheme://host[:port]` and nothing behind it, as `Origin` has it. nil for all else, `null` for one.
    package init?(_ text: some StringProtocol) {
        let utf8 = text.utf8
        guard utf8.count <= 300, let colon = utf8.firstIndex(of: UInt8(ascii: ":")),
            utf8[colon...].starts(with: "://".utf8)
        else { return nil }
        let scheme = String(decoding: utf8[..<colon], as: UTF8.self)
        let authority = utf8[colon...].dropFirst(3)
        self.init(scheme: scheme, authority: String(decoding: authority, as: UTF8.self))
    }

    /// The origin of a whole address, as `Referer` has it.
    package init?(ofAddress text: some StringProtocol) {
        let utf8 = text.utf8.prefix(300)
        let slashes = utf8.indices.filter { utf8[$0] == UInt8(ascii: "/") }
        guard slashes.count >= 2 else { return nil }
        let end = utf8[slashes[1]...].dropFirst().firstIndex { "/?#".utf8.contains($0) } ?? utf8.endIndex
        self.init(String(decoding: utf8[..<end], as: UTF8.self))
    }

    /// - Parameters:
    ///   - authority: `host[:port]`, as `Host` has it.
    ///   - port: goes before the one in `authority`.
    package init?(scheme: String, authority: String, port: Int? = nil) {
        let scheme = scheme.utf8.count <= 5 ? scheme.asciiLowercased : ""
        guard let standard = Self.defaultPorts[scheme], let parts = Self.parts(authority) else { return nil }
        self.scheme = scheme
        host = parts.host
        self.port = port ?? parts.port ?? standard
    }

    package var description: String {
        "\(scheme)://\(host)" + (port == Self.defaultPorts[scheme] ? "" : ":\(port)")
    }

    /// Whether `host[:port]` says which port.
    static func namesPort(_ authority: String) -> Bool {
        parts(authority)?.port != nil
    }

    private static func parts(_ text: String) -> (host: String, port: Int?)? {
        guard text.utf8.count <= 300 else { return nil }
        let authority = Array(text.utf8)
        var end = authority.endIndex
        var host: String?
        if authority.first == UInt8(ascii: "["), let close = authority.firstIndex(of: UInt8(ascii: "]")) {
            host = IPAddress.canonicalIPv6(String(decoding: authority[1..<close], as: UTF8.self)).map { "[\($0)]" }
            end = close + 1
        } else {
            end = authority.lastIndex(of: UInt8(ascii: ":")) ?? end
            var name = authority[..<end]
            if name.last == UInt8(ascii: ".") { name.removeLast() }
            // DNS knows no longer one (RFC 1035); so what we write of an origin can be read again.
            guard name.count <= 253 else { return nil }
            let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            if labels.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isOfName) }) {
                host = String(decoding: name, as: UTF8.self).asciiLowercased
            }
        }
        guard let host else { return nil }
        let rest = authority[end...]
        guard let first = rest.first else { return (host, nil) }
        guard first == UInt8(ascii: ":"), rest.count <= 6 else { return nil }
        if rest.count == 1 { return (host, nil) }
        guard rest.dropFirst().allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(String(decoding: rest.dropFirst(), as: UTF8.self)), port <= 65_535
        else { return nil }
        return (host, port)
    }

    /// Names of other scripts come as their ASCII form, from browsers and in `Host`.
    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
