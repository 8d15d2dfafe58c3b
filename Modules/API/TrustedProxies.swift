package import HTTPTypes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whose `X-Forwarded-*` headers are believed. From anybody else they are ignored: an address that a client makes up
/// must not get round a throttle, nor a scheme the Secure mark of a cookie.
package struct TrustedProxies: Sendable {
    private struct Network: Sendable {
        let bytes: [UInt8]
        let bits: Int

        func contains(_ address: [UInt8]) -> Bool {
            guard address.count == bytes.count else { return false }
            for index in 0..<bytes.count {
                let kept = max(0, min(8, bits - index * 8))
                let mask = UInt8(truncatingIfNeeded: 0xFF00 >> kept)
                if (address[index] ^ bytes[index]) & mask != 0 { return false }
            }
            return true
        }
    }

    private let networks: [Network]

    package static let none = TrustedProxies(networks: [])

    private init(networks: [Network]) {
        self.networks = networks
    }

    /// Addresses and networks in CIDR form, separated by commas; nil when one of them is neither.
    package init?(_ list: String) {
        var networks: [Network] = []
        for entry in list.split(whereSeparator: { $0 == "," || $0 == " " }) {
            let parts = entry.split(separator: "/", maxSplits: 1)
            guard let bytes = Self.bytes(of: String(parts[0])) else { return nil }
            let bits = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
            guard let bits, (0...bytes.count * 8).contains(bits) else { return nil }
            networks.append(Network(bytes: bytes, bits: bits))
        }
        self.networks = networks
    }

    /// The client behind a request whose TCP peer is `peer`: the last address of X-Forwarded-For that is no proxy of ours.
    package func client(of request: HTTPRequest, from peer: String) -> EdgeContext.Client {
        var address = peer
        var scheme = "http"
        var host = request.authority
        if trusts(peer) {
            let chain = request.headerFields[values: .forwardedFor]
                .flatMap { $0.split(separator: ",").map { String($0.trimmingWhitespace()) } }
            address = chain.last { !trusts($0) } ?? chain.first ?? peer
            if request.headerFields[.forwardedProto]?.lowercased() == "https" { scheme = "https" }
            host = request.headerFields[.forwardedHost] ?? host
        }
        return .init(address: address, scheme: scheme, origin: host.map { "\(scheme)://\($0.lowercased())" })
    }

    private func trusts(_ address: String) -> Bool {
        guard !networks.isEmpty, let bytes = Self.bytes(of: address) else { return false }
        return networks.contains { $0.contains(bytes) }
    }

    private static func bytes(of address: String) -> [UInt8]? {
        var v4 = in_addr()
        if inet_pton(AF_INET, address, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, address, &v6) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: v6) { Array($0) }
        // An IPv4 client of a socket that listens on both: ::ffff:a.b.c.d
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return Array(bytes.prefix(12)) == mapped ? Array(bytes.suffix(4)) : bytes
    }
}

extension Substring {
    fileprivate func trimmingWhitespace() -> Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
