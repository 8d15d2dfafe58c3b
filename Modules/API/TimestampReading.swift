extension Timestamp {
    /// Reads RFC 3339: `2026-01-10T12:00:00Z`, with a fraction of a second (six digits count) or an offset if need be.
    /// nil for anything else, days that are not in the calendar among it.
    package init?(text: some StringProtocol) {
        let form = #/([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?(.*)/#
        guard text.utf8.count <= 40, let match = String(text).wholeMatch(of: form),
            let year = Int64(match.1), let month = Int64(match.2), let day = Int64(match.3),
            let hour = Int64(match.4), let minute = Int64(match.5), let second = Int64(match.6),
            (1...9_999).contains(year), (1...12).contains(month), hour < 24, minute < 60, second < 60,
            (1...Self.length(of: month, in: year)).contains(day), let offset = Self.offset(match.8)
        else { return nil }
        let digits = (match.7?.dropFirst() ?? "").prefix(6)
        let fraction = Int64(digits + String(repeating: "0", count: 6 - digits.count)) ?? 0
        let seconds = Self.days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }

    /// Seconds east of Greenwich.
    private static func offset(_ text: Substring) -> Int64? {
        if text == "Z" || text == "z" { return 0 }
        guard let match = text.wholeMatch(of: /([+-])([0-9]{2}):([0-9]{2})/), let hours = Int64(match.2),
            let minutes = Int64(match.3), hours < 24, minutes < 60
        else { return nil }
        return (hours * 3_600 + minutes * 60) * (match.1 == "-" ? -1 : 1)
    }

    private static func length(of month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// A date of the proleptic Gregorian calendar as days since 1970 (Howard Hinnant's `days_from_civil`).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
