import Foundation

/// The name of a time zone in the IANA database, such as `Europe/Berlin`; offsets such as `GMT+5`, which Foundation also
/// takes, are none.
package struct TimeZoneName: Sendable, Hashable {
    package let text: String

    /// Names of the database that look like offsets, or that say nothing (`Factory`, the zone of nowhere).
    private static let odd: Set<String> = [
        "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "GMT0", "GMT+0", "GMT-0",
    ]

    package init?(_ text: String) {
        guard text.utf8.count <= 64, text != "Factory",
            Self.odd.contains(text) || text.wholeMatch(of: /[A-Za-z]+(?:[\/_-][A-Za-z0-9+_-]+)*/) != nil,
            TimeZone(identifier: text) != nil
        else { return nil }
        self.text = text
    }
}
