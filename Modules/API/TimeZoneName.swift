import Foundation

/// The name of a time zone in the IANA database, such as `Europe/Berlin`. Offsets (`GMT+5`) and abbreviations (`PST`), which
/// Foundation also takes, are none: to PostgreSQL they mean something else, `UTC-5` the opposite.
package struct TimeZoneName: Sendable, Hashable {
    package let text: String

    /// What stands before the first slash of a name.
    private static let areas: Set<Verbatim> = [
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Brazil", "Canada",
        "Chile", "Etc", "Europe", "Indian", "Mexico", "Pacific", "US",
    ]
    /// The names without one. `Factory`, the zone of nowhere, is left out.
    private static let single: Set<Verbatim> = [
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
        let parts = text.pieces(between: "/")
        guard parts.count > 1 else { return single.contains(text.verbatim) }
        // It was taken out of the database, and never in PostgreSQL's.
        return areas.contains(parts[0].verbatim) && text.verbatim != "US/Pacific-New"
            && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isOfName) }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
