package import API

/// The number of a change in one sequence: a user's own, or the one that all users share. 0 is before the first.
package typealias Version = Int64

/// How far along a reader is: in the user's sequence and in the shared one.
package struct Place: Sendable, Hashable {
    package var user: Version
    package var shared: Version

    package init(user: Version, shared: Version) {
        self.user = user
        self.shared = shared
    }

    /// Whether anything lies between `self` and `other` in either sequence.
    package func isBehind(_ other: Place) -> Bool { user < other.user || shared < other.shared }
}

/// A place in the history of one database, as clients hold it: `<epoch>.<user>.<shared>`, opaque to them and URL-safe.
/// Equal places are equal strings. The epoch names the database and the user, so that neither a restored database nor
/// another user's cursor is ever taken for this one.
package struct Cursor: Sendable, Hashable {
    package let epoch: String
    package let place: Place

    package init(epoch: String, place: Place) {
        self.epoch = epoch
        self.place = place
    }

    /// nil for anything that `text` did not write: to its holder that means reset, not error.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 64 else { return nil }
        let parts = String(text).pieces(between: ".", most: 4)
        guard parts.count == 3, !parts[0].isEmpty, let user = Version(parts[1]),
            let shared = Version(parts[2]), user >= 0, shared >= 0
        else { return nil }
        self.init(epoch: String(parts[0]), place: Place(user: user, shared: shared))
        guard self.text.verbatim == text.verbatim else { return nil }
    }

    package var text: String { "\(epoch).\(place.user).\(place.shared)" }
}

/// Where both sequences of a user end, as one statement of the database saw them.
package struct Heads: Sendable, Equatable {
    package let epoch: String
    package let place: Place
    /// Below this, deleted documents are forgotten, and only a reset can tell what is gone.
    package let floor: Place
    /// The database's clock when it looked.
    package let time: Timestamp
    /// When a document of this user will next change by itself; nil: none will.
    package let due: Timestamp?

    package init(epoch: String, place: Place, floor: Place, time: Timestamp, due: Timestamp? = nil) {
        self.epoch = epoch
        self.place = place
        self.floor = floor
        self.time = time
        self.due = due
    }

    package var cursor: Cursor { Cursor(epoch: epoch, place: place) }

    /// Whether a reader at `cursor` can be brought here by changes alone; otherwise it needs everything anew.
    package func continues(_ cursor: Cursor) -> Bool {
        cursor.epoch == epoch
            && (floor.user...max(floor.user, place.user)).contains(cursor.place.user)
            && (floor.shared...max(floor.shared, place.shared)).contains(cursor.place.shared)
    }
}
