#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An address of the Internet, whatever text it came in: `10.0.0.1`, `::ffff:10.0.0.1` and `10.0.0.1:443` are one.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four or sixteen.
    let bytes: [UInt8]

    /// An IPv4 client of a socket that listens on both: ::ffff:a.b.c.d
    static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    /// An IPv4 client of a server that has IPv6 only: 64:ff9b::a.b.c.d (RFC 6052).
    private static let translated: [UInt8] = [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]

    /// An address alone; of IPv6 also with its zone, which says nothing outside of the machine.
    package init?(_ text: some StringProtocol) {
        guard let bytes = Self.bytes(of: text.utf8) else { return nil }
        self.bytes = Array(bytes.prefix(12)) == Self.mapped ? Array(bytes.suffix(4)) : bytes
    }

    /// As proxies write it, with a port or without: `ip`, `ip:port`, `v6`, `[v6]`, `[v6]:port`.
    package init?(node text: some StringProtocol) {
        let utf8 = Array(text.utf8)
        if utf8.first == UInt8(ascii: "[") {
            guard let end = utf8.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            self.init(String(decoding: utf8[1..<end], as: UTF8.self))
            return
        }
        let colons = utf8.indices.filter { utf8[$0] == UInt8(ascii: ":") }
        let end = colons.count == 1 ? colons[0] : utf8.endIndex
        self.init(String(decoding: utf8[..<end], as: UTF8.self))
    }

    package var description: String { Self.text(of: bytes) }

    /// What counts as one client: an IPv4 address, and of IPv6 the network that a client may walk through at will.
    package var network: String { networks.last ?? description }

    /// That, and before it what one site may have of such, the widest first: of IPv6 a /48, a /56 and the /64.
    package var networks: [String] {
        guard bytes.count == 16 else { return [description] }
        if Array(bytes.prefix(12)) == Self.translated { return [Self.text(of: Array(bytes.suffix(4)))] }
        return [6, 7, 8].map { length in
            Self.text(of: bytes.prefix(length) + [UInt8](repeating: 0, count: 16 - length)) + "/\(length * 8)"
        }
    }

    /// IPv6 as everybody writes it (RFC 5952); nil for what is none.
    static func canonicalIPv6(_ text: some StringProtocol) -> String? {
        guard let bytes = bytes(of: text.utf8), bytes.count == 16 else { return nil }
        return self.text(of: bytes)
    }

    static func bytes(of text: some Sequence<UInt8>) -> [UInt8]? {
        // Only what an address is made of comes to the C function, which stops at a NUL.
        var plain: [CChar] = []
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"):
                plain.append(CChar(bitPattern: byte))
            case UInt8(ascii: "%") where plain.contains(CChar(bitPattern: UInt8(ascii: ":"))):
                return bytes(terminated: plain)
            default: return nil
            }
            guard plain.count <= 45 else { return nil }
        }
        return bytes(terminated: plain)
    }

    private static func bytes(terminated plain: [CChar]) -> [UInt8]? {
        let text = plain + [0]
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
        var v6 = in6_addr()
        return inet_pton(AF_INET6, text, &v6) == 1 ? withUnsafeBytes(of: v6) { Array($0) } : nil
    }

    private static func text(of bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
