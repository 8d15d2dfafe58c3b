import API
import Testing

@Suite("Times as people write them")
struct TimestampReadingTests {
    @Test(
        "RFC 3339 is read, with a fraction and an offset",
        arguments: [
            ("2026-01-10T12:00:00Z", "2026-01-10T12:00:00.000Z"),
            ("2026-01-10t12:00:00.5z", "2026-01-10T12:00:00.500Z"),
            ("2026-01-10T12:00:00.123456789Z", "2026-01-10T12:00:00.123Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"),
            ("2028-02-29T23:59:59-05:30", "2028-03-01T05:29:59.000Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"), ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
        ])
    func reads(text: String, same: String) {
        #expect(Timestamp(text: text)?.text == same)
    }

    @Test(
        "Anything else is not",
        arguments: [
            "", "2026-01-10", "2026-01-10 12:00:00Z", "2026-01-10T12:00:00", "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-10T24:00:00Z", "2026-01-10T12:60:00Z",
            "2026-01-10T12:00:60Z",
            "2026-01-10T12:00:00+24:00", "2026-01-10T12:00:00.Z", "0000-01-01T00:00:00Z", "2026-01-10T12:00:00Zx",
            "٢٠٢٦-01-10T12:00:00Z", "2026-1-10T12:00:00Z",
        ])
    func refuses(text: String) {
        #expect(Timestamp(text: text) == nil)
    }

    @Test("What the server writes it reads, on every day of many years")
    func roundTrip() {
        for day in stride(from: Int64(-800_000), through: 2_000_000, by: 17) {
            let time = Timestamp(microseconds: day * 86_400_000_000 + 45_296_789_000)
            guard time.text.hasPrefix("-") == false, day > -719_000 else { continue }
            #expect(Timestamp(text: time.text) == time)
        }
    }
}
