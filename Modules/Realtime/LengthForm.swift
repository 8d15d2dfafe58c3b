/// Follows frames byte by byte, their heads only. Pure.
struct LengthForm {
    private(set) var isViolated = false
    /// The two bytes that every head has, and the longer length behind them.
    private var head: [UInt8] = []
    /// Of the masking key and the payload.
    private var left = 0

    /// How many of these bytes may be read: all, or those before the head that may not be.
    mutating func read<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes) -> Int where Bytes.Index == Int {
        var index = bytes.startIndex
        var began = index
        while index < bytes.endIndex, !isViolated {
            if left > 0 {
                let step = min(left, bytes.endIndex - index)
                left -= step
                index += step
                began = index
            } else {
                head.append(bytes[index])
                index += 1
                if isWhole { finishHead() }
                if head.isEmpty { began = index }
            }
        }
        return (isViolated ? began : index) - bytes.startIndex
    }

    private var isWhole: Bool {
        guard head.count >= 2 else { return false }
        switch head[1] & 0x7F {
        case 126: return head.count == 4
        case 127: return head.count == 10
        default: return true
        }
    }

    private mutating func finishHead() {
        let short = head[1] & 0x7F
        let length = short < 126 ? UInt64(short) : head.dropFirst(2).reduce(0) { $0 << 8 | UInt64($1) }
        switch short {
        case 126 where head[0] & 0x08 != 0, 127 where head[0] & 0x08 != 0: isViolated = true
        case 126: isViolated = length < 126
        case 127: isViolated = length < 65_536 || length > UInt64(Int64.max)
        default: break
        }
        guard !isViolated else { return }
        left = Int(clamping: length) - (length > 1 << 62 ? 4 : 0) + (head[1] & 0x80 == 0 ? 0 : 4)
        head.removeAll(keepingCapacity: true)
    }
}
