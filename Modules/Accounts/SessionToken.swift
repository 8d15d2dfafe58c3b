import Crypto
package import Foundation

/// What proves a session to its bearer: the bucket of its user (three hex digits), then base64url of the user's id and 32 random
/// bytes. Only its SHA-256 is ever stored or compared. Whose it says it is, is a claim until the session was found.
package struct SessionToken: Sendable, Equatable {
    package static let length = 67

    package let text: String
    package let user: UUID
    package let hash: [UInt8]

    package static func make(for user: UUID) -> SessionToken {
        var random = SystemRandomNumberGenerator()
        let secret = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let id = withUnsafeBytes(of: user.uuid) { Array($0) }
        let text = Data(id + secret).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")  // ours
        return SessionToken(unchecked: Bucket(of: user).text + text, user: user)
    }

    /// nil for what no token looks like, which spares the database the question: also where the bucket is not the user's.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        guard text.utf8.count == Self.length, text.utf8.allSatisfy(\.isToken) else { return nil }
        let encoded = text.utf8.dropFirst(3).map { byte in
            byte == UInt8(ascii: "-") ? UInt8(ascii: "+") : byte == UInt8(ascii: "_") ? UInt8(ascii: "/") : byte
        }
        guard let bytes = Data(base64Encoded: Data(encoded)), bytes.count == 48 else { return nil }
        let user = bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
        guard text.utf8.prefix(3).elementsEqual(Bucket(of: user).text.utf8) else { return nil }
        self.init(unchecked: text, user: user)
    }

    private init(unchecked text: String, user: UUID) {
        self.text = text
        self.user = user
        hash = Array(SHA256.hash(data: Array(text.utf8)))
    }
}

extension UInt8 {
    fileprivate var isToken: Bool {
        switch self {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
