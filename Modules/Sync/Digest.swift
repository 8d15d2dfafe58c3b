import Crypto

/// What proves that two replicas are identical: the XOR, over live documents, of the first 8 bytes of SHA-256 of
/// `collection LF id LF version`, as 16 hex digits. The order of the documents does not count.
package enum Digest {
    package static func of(_ documents: [(collection: String, id: String, version: Version)]) -> String {
        var sum: UInt64 = 0
        for document in documents {
            let name = "\(document.collection)\n\(document.id)\n\(document.version)"
            let hash = SHA256.hash(data: Array(name.utf8))
            sum ^= hash.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = String(sum, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
