extension Timestamp {
    /// Reads RFC 3339: `2026-01-10T12:00:00Z`, with a fraction of a second (six digits count) or an offset if need be.
    /// nil for anything else, days that are not in the calendar among it.
    package init?(text: some StringProtocol) {
        guard text.utf8.count <= 40 else { return nil }
        var reading = TimeReading(bytes: Array(text.utf8))
        guard let year = reading.number(of: 4, in: 1...9_999), reading.takes("-"),
            let month = reading.number(of: 2, in: 1...12), reading.takes("-"),
            let day = reading.number(of: 2, in: 1...Self.length(of: month, in: year)),
            reading.takes("T") || reading.takes("t"),
            let hour = reading.number(of: 2, in: 0...23), reading.takes(":"),
            let minute = reading.number(of: 2, in: 0...59), reading.takes(":"),
            let second = reading.number(of: 2, in: 0...59), let fraction = reading.fraction(),
            let offset = reading.offset(), reading.isAtEnd
        else { return nil }
        let seconds = Self.days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
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

/// A text of digits and signs, from its beginning to its end.
private struct TimeReading {
    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func takes(_ sign: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: sign) else { return false }
        position += 1
        return true
    }

    private mutating func digit() -> Int64? {
        guard position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) else {
            return nil
        }
        position += 1
        return Int64(bytes[position - 1] - UInt8(ascii: "0"))
    }

    mutating func number(of digits: Int, in range: ClosedRange<Int64>) -> Int64? {
        var number: Int64 = 0
        for _ in 0..<digits {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return range.contains(number) ? number : nil
    }

    /// Microseconds; 0 where there is no fraction.
    mutating func fraction() -> Int64? {
        guard takes(".") else { return 0 }
        var microseconds: Int64 = 0
        var worth: Int64 = 100_000
        let start = position
        while let digit = digit() {
            microseconds += digit * worth
            worth /= 10
        }
        return (1...9).contains(position - start) ? microseconds : nil
    }

    /// Seconds east of Greenwich.
    mutating func offset() -> Int64? {
        if takes("Z") || takes("z") { return 0 }
        let isEast = takes("+")
        guard isEast || takes("-"), let hours = number(of: 2, in: 0...23), takes(":"),
            let minutes = number(of: 2, in: 0...59)
        else { return nil }
        return (hours * 3_600 + minutes * 60) * (isEast ? 1 : -1)
    }
}
