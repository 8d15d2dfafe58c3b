package import FoundationEssentials

/// What happened, as it is announced in this process, in the order of commits. Nothing that matters rests on it: who misses
/// one reads the database.
package enum ChangeEvent: Sendable {
    /// Committed by this process: with its documents.
    case changed(Change)
    /// Another process says that this user's head is now at least here.
    case hint(user: UUID, version: Version)
    /// The shared sequence is now at least here, by this process (`local`) or another.
    case shared(version: Version, local: Bool)
    /// Sessions of this user may have ended (sign-out, revocation); `local`: this process ended them.
    case sessionsEnded(user: UUID, local: Bool)
    /// Devices of this user came or went.
    case presence(user: UUID, local: Bool)
    /// This process renamed or removed devices of this user: their sockets, everywhere, are to be told who is there.
    case devicesChanged(user: UUID)
}

/// How who changes something says so: by the change bus, whoever hears it there.
package typealias Announce = @Sendable (ChangeEvent) -> Void

/// Who hears what happens, by a name. It is called on the thread that announces, and must not block.
package struct Listener: Sendable {
    package let name: String
    package let hear: @Sendable (ChangeEvent) -> Void

    package init(_ name: String, _ hear: @escaping @Sendable (ChangeEvent) -> Void) {
        self.name = name
        self.hear = hear
    }
}
