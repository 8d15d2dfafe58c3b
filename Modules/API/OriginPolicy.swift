package import HTTPTypes

/// Which web pages may use a user's cookie. A browser attaches it whoever made the request, so a request that changes
/// something must show where it comes from.
package struct OriginPolicy: Sendable {
    /// Beyond the server's own: `scheme://host[:port]`, in lower case.
    package let allowed: Set<String>

    package init(allowed: Set<String>) {
        self.allowed = allowed
    }

    package enum Verdict: Sendable {
        case own, allowed, foreign
        /// The request does not say; no browser leaves it out of a request that changes something.
        case unknown
    }

    /// Where this request comes from: by Origin, else by Sec-Fetch-Site, else by Referer.
    package func judge(_ headers: HTTPFields, own: String?) -> Verdict {
        if let origin = headers[.origin]?.lowercased() {
            if origin == own { return .own }
            return allowed.contains(origin) ? .allowed : .foreign
        }
        if let site = headers[.secFetchSite] { return site == "same-origin" ? .own : .foreign }
        if let referer = headers[.referer]?.lowercased() {
            if let own, referer.hasPrefix(own + "/") { return .own }
            return allowed.contains { referer.hasPrefix($0 + "/") } ? .allowed : .foreign
        }
        return .unknown
    }
}

extension HTTPField.Name {
    package static let secFetchSite = Self(unchecked: "sec-fetch-site")
}
