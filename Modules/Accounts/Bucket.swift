import API
import Crypto
package import FoundationEssentials

/// One of the 4,096 parts that users fall into: the share of a database, where there are several. It stands in a user's id (the
/// 12 bits behind the version), and the tokens that are theirs begin with it, so that whoever sends requests on need not ask.
package struct Bucket: Sendable, Equatable {
    /// 0 to 4,095.
    package let number: Int16

    /// The bucket of a new account: the first 12 bits of the SHA-256 of what it was made with, exactly as its uniqueness compares
    /// it. So whoever signs in leads to the bucket before anybody has looked them up.
    package init(of identity: String) {
        var bytes = SHA256.hash(data: Array(identity.utf8)).makeIterator()
        let (first, second) = (bytes.next() ?? 0, bytes.next() ?? 0)
        number = Int16(first) << 4 | Int16(second >> 4)
    }

    package init(of user: UUID) {
        number = Int16(user.uuid.6 & 0x0F) << 8 | Int16(user.uuid.7)
    }

    /// Three lower-case hex digits.
    package var text: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 3 - digits.utf8.count) + digits
    }

    /// The id of a new user in this bucket: a UUIDv7.
    package func makeUser() -> UUID {
        var bytes = UUID.v7().uuid
        bytes.6 = 0x70 | UInt8(truncatingIfNeeded: number >> 8)
        bytes.7 = UInt8(truncatingIfNeeded: number)
        return UUID(uuid: bytes)
    }
}
