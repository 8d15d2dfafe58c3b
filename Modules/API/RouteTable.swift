import HTTPTypes
package import Hummingbird
import Synchronization

/// Which methods each address takes, so that a wrong one is answered with 405 and `Allow`: the router itself says 404.
package final class RouteTable: Sendable {
    private struct Entry {
        /// As registered: words, `{name}` for any one, `**` for any rest.
        let pattern: [Verbatim]
        let methods: [String]
    }

    private let entries = Mutex<[Entry]>([])

    package init() {}

    /// Takes over every route that has been registered.
    package func read(_ router: Router<EdgeContext>) {
        let order = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        let table = Dictionary(grouping: router.routes) { "\($0.path)" }.map { path, routes in
            var methods = Set(routes.map(\.method.rawValue))
            if methods.contains("GET") { methods.insert("HEAD") }  // ours
            return Entry(
                pattern: Self.words(path),
                methods: order.filter(methods.contains) + methods.subtracting(order).sorted())
        }
        entries.withLock { $0 = table }
    }

    /// None: there is nothing at this address.
    package func methods(at path: String) -> [String] {
        let words = Self.words(path)
        return entries.withLock { entries in
            entries.first { Self.matches($0.pattern, words) }?.methods ?? []
        }
    }

    private static func words(_ path: String) -> [Verbatim] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0).verbatim }
    }

    private static func matches(_ pattern: [Verbatim], _ words: [Verbatim]) -> Bool {
        if pattern.last == ("**" as Verbatim) {
            return words.count >= pattern.count && zip(pattern.dropLast(), words).allSatisfy { $0 == $1 }
        }
        return pattern.count == words.count
            && zip(pattern, words).allSatisfy { $0 == $1 || $0.text.starts(with: "{") || $0.text.starts(with: ":") }
    }
}
