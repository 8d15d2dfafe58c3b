import NIOCore
import Testing

@testable import Realtime

@Suite("In which form a frame's length may stand")
struct FrameLengthsTests {
    /// A masked frame's head with a length of so many bytes (0, 2 or 8).
    private func head(_ length: UInt64, in bytes: Int, opcode: UInt8 = 1) -> [UInt8] {
        let long = (0..<bytes).map { UInt8(truncatingIfNeeded: length >> UInt64((bytes - 1 - $0) * 8)) }
        let short: UInt8 = bytes == 0 ? UInt8(truncatingIfNeeded: length) : bytes == 2 ? 126 : 127
        return [0x80 | opcode, 0x80 | short] + long
    }

    private func allowed(_ bytes: [UInt8], _ form: inout LengthForm) -> Int {
        form.read(ByteBuffer(bytes: bytes).readableBytesView)
    }

    @Test("Only the shortest form that holds it")
    func shortest() {
        let right: [(UInt64, Int)] = [(0, 0), (125, 0), (126, 2), (65_535, 2), (65_536, 8), (1 << 63 - 1, 8)]
        for (length, bytes) in right {
            var form = LengthForm()
            let head = head(length, in: bytes)
            #expect(allowed(head, &form) == head.count && !form.isViolated, "\(length) in \(bytes)")
        }
        let wrong: [(UInt64, Int)] = [(0, 2), (125, 2), (0, 8), (126, 8), (65_535, 8), (1 << 63, 8), (.max, 8)]
        for (length, bytes) in wrong {
            var form = LengthForm()
            #expect(allowed(head(length, in: bytes), &form) == 0 && form.isViolated, "\(length) in \(bytes)")
        }
        var form = LengthForm()
        #expect(allowed(head(126, in: 2, opcode: 9), &form) == 0 && form.isViolated)
    }

    @Test(
        "What stands before a forbidden head may be read, and its payload is never taken for a head", arguments: 1..<9)
    func before(chunk: Int) {
        let mask: [UInt8] = [1, 2, 3, 4]
        let good = head(6, in: 0) + mask + [0x81, 0xFF, 0x81, 0xFF, 0x81, 0xFE]
        let unmasked: [UInt8] = [0x8A, 0x00]
        let bad = head(5, in: 2)
        let all = good + unmasked + good + bad
        var form = LengthForm()
        var read = 0
        for start in stride(from: 0, to: all.count, by: chunk) where !form.isViolated {
            read += allowed(Array(all[start..<min(start + chunk, all.count)]), &form)
        }
        #expect(form.isViolated)
        // In pieces, some of the forbidden head was passed on before it showed what it is.
        #expect(read >= good.count * 2 + unmasked.count && read < all.count)
        if chunk == 1 { #expect(read == all.count - 1) }
    }
}

@Suite("An allowance that fills up again")
struct PaceTests {
    @Test("So much at once, then so much a second, and a debt is waited for")
    func spending() {
        let start = NIODeadline.uptimeNanoseconds(0)
        var pace = Pace(most: 10, perSecond: 5, now: start)
        for _ in 0..<10 { #expect(pace.spend(1, now: start) == nil) }
        #expect((pace.spend(5, now: start)?.nanoseconds ?? 0) / 1_000_000 == 1_001)
        #expect(pace.spend(5, now: start + .seconds(2)) == nil)
        // However long nothing was spent, there is no more than at first.
        for _ in 0..<10 { #expect(pace.spend(1, now: start + .seconds(1_000)) == nil) }
        #expect(pace.spend(1, now: start + .seconds(1_000)) != nil)
    }
}
