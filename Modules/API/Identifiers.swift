package import FoundationEssentials

extension UUID {
    /// A version 7 UUID (RFC 9562): 48 bits of milliseconds, then chance, so that ids made later sort later.
    package static func v7(at time: Timestamp = .now()) -> UUID {
        var random = SystemRandomNumberGenerator()
        let milliseconds = UInt64(bitPattern: time.microseconds / 1_000)
        let a = random.next()
        let b = random.next()
        return UUID(
            uuid: (
                UInt8(truncatingIfNeeded: milliseconds >> 40), UInt8(truncatingIfNeeded: milliseconds >> 32),
                UInt8(truncatingIfNeeded: milliseconds >> 24), UInt8(truncatingIfNeeded: milliseconds >> 16),
                UInt8(truncatingIfNeeded: milliseconds >> 8), UInt8(truncatingIfNeeded: milliseconds),
                0x70 | UInt8(truncatingIfNeeded: a >> 8) & 0x0F, UInt8(truncatingIfNeeded: a),
                0x80 | UInt8(truncatingIfNeeded: b >> 56) & 0x3F, UInt8(truncatingIfNeeded: b >> 48),
                UInt8(truncatingIfNeeded: b >> 40), UInt8(truncatingIfNeeded: b >> 32),
                UInt8(truncatingIfNeeded: b >> 24), UInt8(truncatingIfNeeded: b >> 16),
                UInt8(truncatingIfNeeded: b >> 8), UInt8(truncatingIfNeeded: b)
            ))
    }

    /// The form of every id on the wire: 36 lower-case characters.
    package var text: String {
        let digits: StaticString = "0123456789abcdef"
        return withUnsafeBytes(of: uuid) { bytes in
            String(unsafeUninitializedCapacity: 36) { buffer in
                var position = 0
                for index in 0..<16 {
                    if index == 4 || index == 6 || index == 8 || index == 10 {
                        buffer[position] = UInt8(ascii: "-")
                        position += 1
                    }
                    buffer[position] = digits.utf8Start[Int(bytes[index] >> 4)]
                    buffer[position + 1] = digits.utf8Start[Int(bytes[index] & 0x0F)]
                    position += 2
                }
                return 36
            }
        }
    }

    /// Parses the 36-character form, in either case; nothing else.
    package init?(text: some StringProtocol) {
        var bytes: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        // Foundation's own goes through sscanf, at ten times the cost.
        let isRead = withUnsafeMutableBytes(of: &bytes) { Self.read(text.utf8, into: $0) }
        guard isRead else { return nil }
        self.init(uuid: bytes)
    }

    private static func read(_ text: some Sequence<UInt8>, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
        var (position, digits) = (0, 0)
        for byte in text {
            defer { position += 1 }
            guard position < 36 else { return false }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return false }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return false
            }
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit
            digits += 1
        }
        return position == 36
    }
}
