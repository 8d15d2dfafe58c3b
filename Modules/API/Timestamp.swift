#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An instant in UTC: whole microseconds since 1970, as PostgreSQL keeps it. On the wire RFC 3339 with milliseconds
/// (`2026-01-10T12:00:00.000Z`).
package struct Timestamp: Sendable, Hashable, Comparable {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// What this machine's wall clock says. Nothing that users agree on may rest on it: see `ServerClock`.
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    package func advanced(bySeconds seconds: Int64) -> Timestamp {
        Timestamp(microseconds: microseconds &+ seconds &* 1_000_000)
    }

    /// RFC 3339 with milliseconds, rounded down; 24 ASCII bytes.
    package var text: String {
        let milliseconds = microseconds.flooredQuotient(1_000)
        let days = milliseconds.flooredQuotient(86_400_000)
        var rest = milliseconds - days * 86_400_000
        let (year, month, day) = Self.civil(days: days)
        let ms = rest % 1_000
        rest /= 1_000
        return String(unsafeUninitializedCapacity: 24) { buffer in
            func put(_ value: Int64, at offset: Int, digits: Int) {
                var value = value
                for position in stride(from: offset + digits - 1, through: offset, by: -1) {
                    buffer[position] = UInt8(ascii: "0") + UInt8(value % 10)
                    value /= 10
                }
            }
            put(max(0, min(year, 9_999)), at: 0, digits: 4)
            buffer[4] = UInt8(ascii: "-")
            put(month, at: 5, digits: 2)
            buffer[7] = UInt8(ascii: "-")
            put(day, at: 8, digits: 2)
            buffer[10] = UInt8(ascii: "T")
            put(rest / 3_600, at: 11, digits: 2)
            buffer[13] = UInt8(ascii: ":")
            put(rest / 60 % 60, at: 14, digits: 2)
            buffer[16] = UInt8(ascii: ":")
            put(rest % 60, at: 17, digits: 2)
            buffer[19] = UInt8(ascii: ".")
            put(ms, at: 20, digits: 3)
            buffer[23] = UInt8(ascii: "Z")
            return 24
        }
    }

    /// Days since 1970 as a date of the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }
}

extension Int64 {
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
