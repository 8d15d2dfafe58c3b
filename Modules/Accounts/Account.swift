package import API
package import Foundation

/// An e-mail address as its owner wrote it, and the form by which addresses compare.
package struct EmailAddress: Sendable, Equatable {
    package let text: String
    package let key: String

    /// nil when it cannot be one: one @ with something on both sides, no spaces or control characters, at most 254 bytes.
    /// Whether anybody reads mail there is not for a server without mail to say.
    package init?(_ text: String) {
        let parts = text.pieces(between: "@")
        guard text.utf8.count <= 254, parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty,
            text.unicodeScalars.allSatisfy({ !$0.properties.isWhitespace && $0.value >= 0x20 && $0.value != 0x7F })
        else { return nil }
        self.text = text
        key = text.precomposedStringWithCompatibilityMapping.lowercased()  // bounded: 254 bytes
    }
}

/// A password as it is hashed: the same characters typed on another keyboard are the same bytes (NFC).
package struct Password: Sendable {
    package static let length = 8...256

    package let utf8: [UInt8]

    package init(_ text: String) {
        utf8 = Array(text.precomposedStringWithCanonicalMapping.utf8)  // bounded: `length`
    }
}

package struct User: Sendable, Equatable {
    package let id: UUID
    package let email: String
    package let createdAt: Timestamp

    package init(id: UUID, email: String, createdAt: Timestamp) {
        self.id = id
        self.email = email
        self.createdAt = createdAt
    }
}

/// What a client says of the device it runs on when it signs in.
package struct DeviceDescription: Sendable, Equatable {
    package static let kinds: [Verbatim] = ["desktop", "mobile", "web", "other"]

    /// Of an earlier sign-in on this device.
    package let id: UUID?
    package let name: String
    package let kind: String

    package init(id: UUID?, name: String, kind: String) {
        self.id = id
        self.name = name
        self.kind = kind
    }
}

/// A device of a user, as their list of devices shows it.
package struct Device: Sendable, Equatable {
    package static let nameLength = 1...100

    package let id: UUID
    package let name: String
    package let kind: String
    package let createdAt: Timestamp
    package let lastSeenAt: Timestamp
    /// Whether it holds a socket, at whichever process.
    package let online: Bool

    package init(
        id: UUID, name: String, kind: String, createdAt: Timestamp, lastSeenAt: Timestamp, online: Bool
    ) {
        self.id = id
        self.name = name
        self.kind = kind
        self.createdAt = createdAt
        self.lastSeenAt = lastSeenAt
        self.online = online
    }
}

/// Why an account is not opened, changed or erased.
package enum AccountRefusal: Error, Sendable {
    case emailTaken
    case wrongCredentials
    /// Of somebody who is signed in: their session stands, and they may try again.
    case wrongCurrentPassword

    package var problem: Problem {
        switch self {
        case .emailTaken:
            Problem(.emailTaken)
        case .wrongCredentials:
            Problem(.wrongCredentials)
        case .wrongCurrentPassword:
            Problem(.wrongCredentials, status: 403, detail: .wrongCurrentPassword)
        }
    }
}

extension ProblemCode {
    package static let accounts: [ProblemCode] = [emailTaken, wrongCredentials]

    static let emailTaken = ProblemCode(
        "email_taken", 409, "This e-mail address has an account",
        detail: "Sign in with it, or register another address.",
        meaning: "Sign in with this address, or register another one.")
    static let wrongCredentials = ProblemCode(
        "wrong_credentials", 401, or: 403, "E-mail or password is wrong",
        detail: "No account has this e-mail address and this password.", others: [.wrongCurrentPassword],
        meaning:
            "No account has this e-mail address and this password. 403 says it of the password of somebody who is signed "
            + "in: their session stands.")
}

extension ProblemDetail {
    static let wrongCurrentPassword = ProblemDetail(
        "This is not the account's password; you are still signed in, and nothing was changed.")
}
