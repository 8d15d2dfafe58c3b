package import HTTPTypes

/// Which web pages may use a user's cookie. A browser attaches it whoever made the request, so a request that changes
/// something must show where it comes from.
package struct OriginPolicy: Sendable {
    /// Beyond the server's own.
    package let allowed: Set<Origin>
    /// The server's own as the operator named it; without it, where each request was sent to.
    private let named: Origin?

    package init(allowed: Set<Origin>, named: Origin? = nil) {
        self.allowed = allowed
        self.named = named
    }

    package enum Verdict: Sendable, Equatable {
        case own, allowed
        /// As it said itself.
        case foreign(String)
        /// The request does not say; no browser leaves it out of a request that changes something.
        case unknown
    }

    /// Where this request comes from: by Origin, else by Sec-Fetch-Site, else by Referer.
    package func judge(_ headers: HTTPFields, client: EdgeContext.Client) -> Verdict {
        if let text = headers[.origin] { return judge(Origin(text), text, client) }
        if let site = headers[.secFetchSite] {
            return site.verbatim == "same-origin" ? .own : .foreign("a \(site) page")
        }
        if let text = headers[.referer] { return judge(Origin(ofAddress: text), text, client) }
        return .unknown
    }

    private func judge(_ origin: Origin?, _ text: String, _ client: EdgeContext.Client) -> Verdict {
        guard let origin else { return .foreign(text) }
        if origin == named || client.origins.contains(origin) { return .own }
        return allowed.contains(origin) ? .allowed : .foreign(origin.description)
    }

    /// Lets a request through that comes from here or from an allowed origin.
    /// - Parameter unknown: whether it may leave that open.
    /// - Throws: 403 `cross_origin`, which names the origin that came and the one expected.
    package func admit(_ headers: HTTPFields, client: EdgeContext.Client, unknown: Bool = false) throws(Problem) {
        switch judge(headers, client: client) {
        case .own, .allowed: return
        case .unknown where unknown: return
        case .unknown: throw .crossOrigin(came: nil, expected: expected(of: client))
        case .foreign(let origin): throw .crossOrigin(came: origin, expected: expected(of: client))
        }
    }

    private func expected(of client: EdgeContext.Client) -> String? {
        (named ?? client.origins.first)?.description
    }
}

extension Problem {
    /// - Parameters:
    ///   - came: text of a stranger.
    ///   - expected: nil where the request names no host.
    static func crossOrigin(came: String?, expected: String?) -> Problem {
        let came = came.map { text in
            let plain = text.utf8.prefix(200).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
            return String(decoding: plain, as: UTF8.self)
        }
        var members: JSON.Members = [:]
        members["origin"] = came.map { .string($0) } ?? .null
        members["expected"] = expected.map { .string($0) } ?? .null
        return Problem(
            .crossOrigin, detail: came == nil ? .originUnsaid : nil,
            values: ["expected": .string(expected ?? "the host that it names")], members: members)
    }
}

extension HTTPField.Name {
    package static let secFetchSite = Self(unchecked: "sec-fetch-site")
}
