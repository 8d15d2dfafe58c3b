package import FoundationEssentials

/// A device of a user, and whether it holds a socket at any process.
package struct PresentDevice: Sendable, Equatable {
    package let id: UUID
    package let name: String
    package let kind: String
    package let online: Bool

    package init(id: UUID, name: String, kind: String, online: Bool) {
        self.id = id
        self.name = name
        self.kind = kind
        self.online = online
    }
}

package struct DeviceKey: Sendable, Hashable {
    package let user: UUID
    package let device: UUID

    package init(user: UUID, device: UUID) {
        self.user = user
        self.device = device
    }
}

/// What Presence needs of storage; one statement each, however many devices.
package protocol PresenceRepository: Sendable {
    /// Notes which devices hold sockets at this process and which no longer do.
    func mark(online: [DeviceKey], offline: [DeviceKey], process: UUID) async throws
    /// Says of all devices that hold sockets at this process that they are still there. What nobody said it of for 90 s is
    /// gone, because its process died. Returns the users for whom that changed something.
    func refresh(online: [DeviceKey], process: UUID) async throws -> [UUID]
    /// All devices of these users.
    func devices(of users: [UUID]) async throws -> [UUID: [PresentDevice]]
    /// This process holds no socket any more.
    func leave(process: UUID) async throws
}
