package import API
package import FoundationEssentials

/// One entry of a replica. The same epoch, collection, id and version always means the same value.
package struct Document: Sendable, Hashable {
    package let collection: String
    package let id: String
    /// nil: deleted.
    package let value: RawJSON?
    package let version: Version

    package init(collection: String, id: String, value: RawJSON?, version: Version) {
        self.collection = collection
        self.id = id
        self.value = value
        self.version = version
    }

    package func write(to writer: inout JSONWriter) {
        writer.raw("{\"collection\":")
        writer.plain(collection)
        writer.raw(",\"id\":")
        writer.string(id)
        writer.raw(",\"value\":")
        if let value { writer.raw(value) } else { writer.raw("null") }
        writer.raw(",\"version\":")
        writer.int(version)
        writer.raw("}")
    }
}

/// What one committed mutation did to one user's documents: the step from `previous` to `version`, which is
/// `previous + 1`.
package struct Change: Sendable {
    package let user: UUID
    package let previous: Version
    package let version: Version
    package let documents: [Document]
    package let mutationIDs: [UUID]

    package init(user: UUID, previous: Version, version: Version, documents: [Document], mutationIDs: [UUID]) {
        self.user = user
        self.previous = previous
        self.version = version
        self.documents = documents
        self.mutationIDs = mutationIDs
    }
}

/// What changed of what all users share, read once for all who stand where it begins in its sequence.
package struct SharedChanges: Sendable {
    package let previous: Version
    package let version: Version
    /// Whether who stands at `previous` can be brought to `version` by these documents.
    package let continues: Bool
    /// As they are sent.
    package let documents: RawJSON
    package let time: Timestamp

    /// - Parameters:
    ///   - floor: below this, deleted documents are forgotten.
    ///   - isWhole: whether these are all documents.
    package init(
        previous: Version, version: Version, floor: Version, isWhole: Bool, documents: [Document], time: Timestamp
    ) {
        self.previous = previous
        self.version = version
        continues = isWhole && (floor...max(floor, version)).contains(previous)
        self.documents = RawJSON(documents)
        self.time = time
    }
}

/// The answer to "what is new since my cursor?", from one snapshot of the database.
package struct Pull: Sendable {
    /// What the reader must stand at for this to fit; nil with a reset.
    package let previous: Cursor?
    package let cursor: Cursor
    package let reset: Bool
    /// As they are sent: written once, where they were read, for all who share what was read.
    package let documents: RawJSON
    package let hasDocuments: Bool
    package let time: Timestamp
    /// When a document will next change by itself; nil: none will, as far as was looked.
    package let due: Timestamp?

    package init(
        previous: Cursor?, cursor: Cursor, reset: Bool, documents: [Document], time: Timestamp, due: Timestamp? = nil
    ) {
        self.previous = previous
        self.cursor = cursor
        self.reset = reset
        hasDocuments = !documents.isEmpty
        self.documents = RawJSON(documents)
        self.time = time
        self.due = due
    }

    package var isEmpty: Bool { !reset && previous == cursor }

    /// The members that every transport sends: `previous`, `cursor`, `reset`, `documents`, `server_time`.
    package func writeMembers(to writer: inout JSONWriter) {
        Self.writeStep(from: previous, to: cursor, to: &writer)
        Self.writeWhat(documents, reset: reset, time: time, to: &writer)
    }

    /// Of these members those that are one reader's own.
    package static func writeStep(from previous: Cursor?, to cursor: Cursor, to writer: inout JSONWriter) {
        writer.raw("\"previous\":")
        if let previous { writer.plain(previous.text) } else { writer.raw("null") }
        writer.raw(",\"cursor\":")
        writer.plain(cursor.text)
    }

    /// The others, which may be the same for many; begins with a comma.
    package static func writeWhat(_ documents: RawJSON, reset: Bool, time: Timestamp, to writer: inout JSONWriter) {
        writer.raw(reset ? ",\"reset\":true" : ",\"reset\":false")
        writer.raw(",\"documents\":")
        writer.raw(documents)
        writer.raw(",\"server_time\":")
        writer.plain(time.text)
    }
}

extension RawJSON {
    /// The list of these.
    fileprivate init(_ documents: [Document]) {
        var writer = JSONWriter(capacity: documents.reduce(2) { $0 + 128 + ($1.value?.utf8.count ?? 0) })
        writer.list(documents) { $1.write(to: &$0) }
        self.init(utf8: writer.bytes)
    }
}
