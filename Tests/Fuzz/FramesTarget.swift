/// The heads of WebSocket frames: the same is allowed in whatever pieces they come.
enum FramesTarget {
    static func take(_ bytes: [UInt8]) {
        var whole = LengthForm()
        let allowed = whole.read(bytes)
        holds((0...bytes.count).contains(allowed), "\(allowed) of \(bytes.count) bytes are allowed")
        holds(whole.isViolated || allowed == bytes.count, "no fault, and yet not all is allowed")

        let size = 1 + Int(bytes.last ?? 0) % 7
        var cut = LengthForm()
        var start = 0
        while start < bytes.count, !cut.isViolated {
            let end = min(start + size, bytes.count)
            start += cut.read(bytes[start..<end])
            holds(cut.isViolated || start == end, "a piece is allowed in part")
        }
        holds(cut.isViolated == whole.isViolated, "a fault is seen in some pieces only")
        // In pieces some of a forbidden head has gone before it shows.
        holds((0..<14).contains(start - allowed), "\(start) bytes in pieces, \(allowed) in one")
    }
}
