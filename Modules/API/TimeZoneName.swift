import Foundation

/// The name of a time zone in the IANA database, such as `Europe/Berlin`; offsets such as `GMT+5`, which Foundation also
/// takes, are none.
package struct TimeZoneName: Sendable, Hashable {
    package let text: String

    package init?(_ text: String) {
        guard text.utf8.count <= 64, text.wholeMatch(of: /[A-Za-z]+(?:[\/_-][A-Za-z0-9+_-]+)*/) != nil,
            TimeZone(identifier: text) != nil
        else { return nil }
        self.text = text
    }
}
