import NIOCore

/// An allowance that fills up again: so much at once, and then so much a second. Pure.
struct Pace {
    private let most: Double
    private let perSecond: Double
    private var left: Double
    private var filled: NIODeadline

    init(most: Int, perSecond: Int, now: NIODeadline = .now()) {
        self.most = Double(most)
        self.perSecond = Double(perSecond)
        left = Double(most)
        filled = now
    }

    /// Spends; where more is spent than there was, says how long it takes until the debt is paid.
    mutating func spend(_ cost: Int, now: NIODeadline) -> TimeAmount? {
        left = min(most, left + Double((now - filled).nanoseconds) / 1e9 * perSecond) - Double(cost)
        filled = now
        return left < 0 ? .nanoseconds(Int64(-left / perSecond * 1e9) + 1_000_000) : nil
    }
}
