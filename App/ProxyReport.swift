import API
import Foundation
import HTTPTypes

/// What the server takes a request for, once proxies have passed it on: for operators, who cannot see it from outside.
enum ProxyReport {
    /// What is believed of whom, in `lockstep doctor`.
    static func lines(_ configuration: Configuration) -> [String] {
        let proxies = configuration.trustedProxies
        let check = configuration.publicOrigin.map { "\($0)" } ?? "https://<your host>"
        let asking =
            "to see what the server takes your browser for: curl -s \(check)/api/client (address: yours, origin: what the "
            + "address bar shows)"
        guard !proxies.isEmpty else {
            let unused =
                proxies.addressHeader.map {
                    ["LOCKSTEP_CLIENT_ADDRESS_HEADER is \($0.rawName), and counts for nothing: no proxy is trusted"]
                } ?? []
            return ["no proxy is trusted (LOCKSTEP_TRUSTED_PROXIES): X-Forwarded-* and Forwarded count for nothing"]
                + unused + [asking]
        }
        let whom = "from \(configuration.value(of: "LOCKSTEP_TRUSTED_PROXIES") ?? "")"
        let address =
            proxies.addressHeader.map { "\($0.rawName) (LOCKSTEP_CLIENT_ADDRESS_HEADER)" }
            ?? "the last address of X-Forwarded-For (or Forwarded) that is not one of these"
        return [
            "\(whom): the client is \(address)",
            "\(whom): X-Forwarded-Proto, -Host and -Port (or Forwarded) say how it called this server", asking,
        ]
    }
}

extension Configuration {
    fileprivate func value(of name: String) -> String? {
        listing.first { $0.name == name }?.value
    }
}
