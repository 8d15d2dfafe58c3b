import Crypto
import Foundation

/// What proves a session to its bearer: 32 random bytes in base64url. Only its SHA-256 is ever stored or compared.
package struct SessionToken: Sendable {
    package let text: String
    package let hash: [UInt8]

    package static func make() -> SessionToken {
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let text = Data(bytes).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        return SessionToken(unchecked: text)
    }

    /// nil for what no token looks like, which spares the database the question.
    package init?(_ text: some StringProtocol) {
        let fits =
            text.utf8.count == 43
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        guard fits else { return nil }
        self.init(unchecked: String(text))
    }

    private init(unchecked text: String) {
        self.text = text
        hash = Array(SHA256.hash(data: Array(text.utf8)))
    }
}
