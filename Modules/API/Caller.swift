package import FoundationEssentials

/// Who is asking: what a valid token says of its bearer. Features see this and never a token.
package struct Caller: Sendable {
    package struct Device: Sendable, Equatable {
        package let id: UUID
        package let name: String
        package let kind: String

        package init(id: UUID, name: String, kind: String) {
            self.id = id
            self.name = name
            self.kind = kind
        }
    }

    package let user: UUID
    package let session: UUID
    package let device: Device
    /// When the session ends if it is not used again.
    package var expires: Timestamp
    /// Whether it is some minutes since it was last noted that this device was here.
    package var noteIsDue: Bool

    package init(user: UUID, session: UUID, device: Device, expires: Timestamp, noteIsDue: Bool = false) {
        self.user = user
        self.session = session
        self.device = device
        self.expires = expires
        self.noteIsDue = noteIsDue
    }
}
