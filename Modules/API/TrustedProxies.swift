package import HTTPTypes

/// Whose word on a request counts: from anybody else `X-Forwarded-*` and `Forwarded` are ignored. An address that a
/// client makes up must not get round a throttle, nor a scheme the Secure mark of a cookie.
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
    /// Which header names the client, where it is not the last foreign address of X-Forwarded-For.
    package var addressHeader: HTTPField.Name?

    package static let none = TrustedProxies(networks: [])

    private init(networks: [Network]) {
        self.networks = networks
    }

    /// Addresses and networks in CIDR form, separated by commas; nil when one of them is neither.
    package init?(_ list: String) {
        var networks: [Network] = []
        for entry in list.split(whereSeparator: { $0 == "," || $0 == " " }) {  // ours: the configuration
            let parts = entry.pieces(between: "/", most: 2)
            guard let first = parts.first, let raw = IPAddress.bytes(of: first.utf8),
                let address = IPAddress(first)
            else { return nil }
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
            let shift = (raw.count - address.bytes.count) * 8
            let bits = parts.count == 2 ? Int(parts[1]).map { $0 - shift } : address.bytes.count * 8
            guard let bits, (0...address.bytes.count * 8).contains(bits) else { return nil }
            networks.append(Network(bytes: address.bytes, bits: bits))
        }
        self.networks = networks
    }

    package var isEmpty: Bool { networks.isEmpty }

    package func trusts(_ address: IPAddress) -> Bool {
        networks.contains { $0.contains(address.bytes) }
    }

    /// The client behind a request whose TCP peer is `peer`, and how it called this server: what the outermost proxy says
    /// that we trust. What stands before it in a list, that one's client made up.
    package func client(of request: HTTPRequest, from peer: String) -> EdgeContext.Client {
        let nearest = IPAddress(peer)
        var client = EdgeContext.Client(address: nearest, else: peer)
        client.host = request.authority
        guard let nearest, trusts(nearest) else { return client }
        client.isBehindTrustedProxy = true
        let fields = request.headerFields
        let said = Forwarding(fields)
        if let addressHeader {
            let named = Forwarding.list(addressHeader, fields).map { IPAddress(node: $0) }
            client = client.at(outermost(of: named, from: nearest).client)
        }
        let outermost = outermost(of: said.addresses, from: nearest)
        if addressHeader == nil { client = client.at(outermost.client) }
        func value(_ list: [String?]) -> String? {
            list.dropFirst(max(0, list.count - 1 - outermost.inner)).lazy.compactMap(\.self).first
        }
        // Some say wss of a handshake.
        if let scheme = value(said.schemes)?.asciiLowercased.verbatim, scheme == "https" || scheme == "wss" {
            client.scheme = "https"
        }
        if let host = value(said.hosts) {
            client.host = host
            client.hostIsForwarded = true
        }
        client.port = value(said.ports).flatMap { Int($0) }.flatMap { (1...65_535).contains($0) ? $0 : nil }
        return client
    }

    package func trusts(_ text: String) -> Bool {
        IPAddress(text).map(trusts) ?? false
    }

    /// The last address of a chain that is no proxy of ours, and how many of ours stand behind it besides the nearest.
    private func outermost(of chain: [IPAddress?], from nearest: IPAddress) -> (client: IPAddress, inner: Int) {
        guard let at = chain.lastIndex(where: { $0.map { !trusts($0) } ?? true }) else {
            return (chain.first.flatMap(\.self) ?? nearest, chain.count)
        }
        // One that is named by a word is counted as the proxy that named it.
        let proxy = at + 1 < chain.count ? chain[at + 1] : nearest
        return (chain[at] ?? proxy ?? nearest, chain.count - 1 - at)
    }
}

/// What proxies say of a request that they passed on, in the order in which they added it: the outermost first. From
/// `X-Forwarded-*`; from `Forwarded` (RFC 7239) where none of those came.
struct Forwarding {
    /// nil where somebody is named by a word instead of an address.
    private(set) var addresses: [IPAddress?] = []
    private(set) var schemes: [String?] = []
    private(set) var hosts: [String?] = []
    private(set) var ports: [String?] = []

    init(_ fields: HTTPFields) {
        addresses = Self.list(.forwardedFor, fields).map { IPAddress(node: $0) }
        schemes = Self.list(.forwardedProto, fields)
        hosts = Self.list(.forwardedHost, fields)
        ports = Self.list(.forwardedPort, fields)
        guard addresses.isEmpty, schemes.isEmpty, hosts.isEmpty, ports.isEmpty else { return }
        for element in ForwardedHeader.elements(fields[values: .forwarded].joined(separator: ",")) {
            addresses.append(element["for"].flatMap { IPAddress(node: $0) })
            schemes.append(element["proto"])
            hosts.append(element["host"])
        }
    }

    static func list(_ name: HTTPField.Name, _ fields: HTTPFields) -> [String] {
        ForwardedHeader.members(of: fields[values: name])
    }
}

extension HTTPField.Name {
    static let forwarded = Self(unchecked: "forwarded")
    static let forwardedPort = Self(unchecked: "x-forwarded-port")
}
