import Foundation

/// The name of a time zone in the IANA database, such as `Europe/Berlin`. Offsets (`GMT+5`) and abbreviations (`PST`), which
/// Foundation also takes, are none: to PostgreSQL they mean something else, `UTC-5` the opposite.
package struct TimeZoneName: Sendable, Hashable {
    package let text: String

    /// What stands before the first slash of a name.
    private static let areas: Set<String> = [
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Brazil", "Canada",
        "Chile", "Etc", "Europe", "Indian", "Mexico", "Pacific", "US",
    ]
    /// The names without one. `Factory`, the zone of nowhere, is left out.
    private static let single: Set<String> = [
        "CET", "CST6CDT", "Cuba", "EET", "EST", "EST5EDT", "Egypt", "Eire", "GB", "GB-Eire", "GMT", "GMT+0",
        "GMT-0", "GMT0", "Greenwich", "HST", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan",
        "Kwajalein", "Libya", "MET", "MST", "MST7MDT", "NZ", "NZ-CHAT", "Navajo", "PRC", "PST8PDT", "Poland",
        "Portugal", "ROC", "ROK", "Singapore", "Turkey", "UCT", "UTC", "Universal", "W-SU", "WET", "Zulu",
    ]

    package init?(_ text: String) {
        guard text.utf8.count <= 64, Self.isName(text), TimeZone(identifier: text) != nil else { return nil }
        self.text = text
    }

    private static func isName(_ text: String) -> Bool {
        guard let slash = text.firstIndex(of: "/") else { return single.contains(text) }
        // It was taken out of the database, and never in PostgreSQL's.
        return areas.contains(String(text[..<slash])) && text != "US/Pacific-New"
            && text.wholeMatch(of: /[A-Za-z]+(?:[\/_-][A-Za-z0-9+_-]+)*/) != nil
    }
}
