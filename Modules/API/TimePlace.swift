package import FoundationEssentials

/// Where a list that is sorted by time and id was cut off; URL-safe and opaque to clients.
package struct TimePlace: Sendable, Equatable {
    package let time: Timestamp
    package let id: UUID

    package init(time: Timestamp, id: UUID) {
        self.time = time
        self.id = id
    }

    package var text: String { "\(time.microseconds).\(id.text)" }

    /// nil for anything that `text` did not write.
    package init?(_ text: some StringProtocol) {
        let parts = Substring(text).pieces(between: ".", most: 2)
        guard parts.count == 2, let microseconds = Int64(parts[0]), let id = UUID(text: parts[1]) else { return nil }
        self.init(time: Timestamp(microseconds: microseconds), id: id)
        // What PostgreSQL can keep as a time, and in one spelling only.
        guard abs(microseconds / 1_000_000) < 200_000_000_000, self.text.verbatim == text.verbatim else { return nil }
    }
}
