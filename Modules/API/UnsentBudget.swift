package import FoundationEssentials
package import Hummingbird
import Metrics
import NIOCore
import Synchronization

/// How many bytes of large answers wait for their readers, of an account and of all: what is kept for those that do not read has
/// an end, however many there are (docs/decisions/0034). Counted is what is in memory, which is an answer's whole length until
/// its last byte was taken. Who asks for more than they read is told to come again; where room is short, who reads slowly, or
/// holds more than the one who asks, is cut off.
package final class UnsentBudget: Sendable {
    /// An answer up to this size is as good as sent: the kernel takes it, whether or not the client does.
    package static let small = 65_536
    /// How long an account that was refused room is not read for, as long as nothing of its own is taken.
    private static let secondsRefused: Int64 = 2

    package struct Limits: Sendable {
        package var ofAccount = 48 << 20
        package var ofAll = 192 << 20
        /// Of all, what may wait for readers that are never cut off.
        package var ofPatient = 96 << 20
        /// Beyond both, for the first answer of an account up to this size: who has little is not refused because others
        /// hold much.
        package var modest = 1 << 20
        package var reserve = 64 << 20
        /// Nobody is cut off who had less time than this, or has read so many bytes a second since.
        package var grace: Duration = .seconds(5)
        package var pace = 65_536.0
        package init() {}
    }

    /// Room for one answer, until it was sent, or nothing holds it any more.
    package final class Place: Sendable {
        package let bytes: Int
        private let number: Int
        private let budget: UnsentBudget

        fileprivate init(_ number: Int, _ bytes: Int, _ budget: UnsentBudget) {
            self.number = number
            self.bytes = bytes
            self.budget = budget
        }

        /// So many bytes of it were taken.
        package func took(_ bytes: Int) { budget.state.withLock { $0.held[number]?.taken += bytes } }

        package func release() { budget.release(number) }

        deinit { release() }
    }

    fileprivate struct Held {
        let user: UUID
        let bytes: Int
        let began: ContinuousClock.Instant
        /// nil: it is patient, and ends by a rule of its own.
        let end: (@Sendable () -> Void)?
        var taken = 0
    }

    fileprivate struct State {
        var held: [Int: Held] = [:]
        var given = 0
        var total = 0
        var patient = 0
        var ofAccount: [UUID: Int] = [:]
        /// When an account was last refused one beside others of theirs, none of which was given back since.
        var refused: [UUID: ContinuousClock.Instant] = [:]
    }

    private let limits: Limits
    private let now: @Sendable () -> ContinuousClock.Instant
    fileprivate let state = Mutex(State())
    private let gauge = Gauge(label: "lockstep_unsent_bytes")

    package init(limits: Limits = Limits(), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.limits = limits
        self.now = now
    }

    /// Whether a large answer to this account could be begun.
    package func hasRoom(for user: UUID) -> Bool {
        let now = now()
        return state.withLock { state in
            guard state.ofAccount[user] ?? 0 < limits.ofAccount else { return false }
            // What was refused was large; the next may be small, and nobody knows before. So one in a while is tried.
            return state.refused[user].map { now - $0 >= .seconds(Self.secondsRefused) } ?? true
        }
    }

    /// To be asked before the work is done: what was read before is not taken, and this would be read in vain.
    /// - Throws: 503 where there is no room.
    package func checkRoom(for user: UUID) throws {
        guard hasRoom(for: user) else { throw Problem.unavailable() }
    }

    /// Room for an answer of so many bytes, nil: there is none now. An account always has room for one, however large, as far as
    /// that is up to it alone.
    /// - Parameter end: ends the connection that does not take it; nil: that must not be, and less is kept of such.
    package func take(_ bytes: Int, for user: UUID, orEnd end: (@Sendable () -> Void)?) -> Place? {
        let wanted = Held(user: user, bytes: bytes, began: now(), end: end)
        let (number, ended) = state.withLock { state -> (Int?, [Held]) in
            var after = state
            guard let ended = after.makeRoom(for: wanted, limits) else {
                if state.ofAccount[user] != nil { state.refused[user] = wanted.began }
                return (nil, [])
            }
            after.add(wanted)
            state = after
            return (after.given, ended)
        }
        for one in ended { one.end?() }
        gauge.record(Double(total))
        return number.map { Place($0, bytes, self) }
    }

    package var total: Int { state.withLock { $0.total } }

    private func release(_ number: Int) {
        state.withLock { _ = $0.remove(number) }
        gauge.record(Double(total))
    }

    /// Sends a large answer in pieces, each when the one before was taken, and holds its room for so long.
    /// - Throws: 503 where there is none.
    package func paced(_ response: Response, for user: UUID, _ context: EdgeContext) throws -> Response {
        guard let length = response.body.contentLength, length > Self.small else { return response }
        guard let place = take(length, for: user, orEnd: context.hangUp) else { throw Problem.unavailable() }
        let body = response.body
        var response = response
        response.body = ResponseBody(contentLength: length) { writer in
            try await body.write(PacedWriter(base: writer, context: context, place: place))
        }
        return response
    }
}

extension UnsentBudget.State {
    /// Takes the room of others where it is short. Returns whose that was; nil: there is not enough, and nothing has changed that
    /// counts.
    fileprivate mutating func makeRoom(
        for wanted: UnsentBudget.Held, _ limits: UnsentBudget.Limits
    ) -> [UnsentBudget.Held]? {
        let mine = ofAccount[wanted.user] ?? 0
        guard mine == 0 || mine + wanted.bytes <= limits.ofAccount else { return nil }
        let reserve = mine == 0 && wanted.bytes <= limits.modest ? limits.reserve : 0
        if wanted.end == nil, patient > 0, patient + wanted.bytes > limits.ofPatient + reserve { return nil }
        var ended: [UnsentBudget.Held] = []
        while total > 0, total + wanted.bytes > limits.ofAll + reserve {
            guard let one = givingWay(to: wanted, limits).flatMap({ remove($0) }) else { return nil }
            ended.append(one)
        }
        return ended
    }

    /// Of those who may be cut off: of the account that holds most, who reads most slowly.
    private func givingWay(to wanted: UnsentBudget.Held, _ limits: UnsentBudget.Limits) -> Int? {
        let fair = (ofAccount[wanted.user] ?? 0) + wanted.bytes
        let worst = held.compactMap { number, one -> (number: Int, holds: Int, pace: Double)? in
            let time = wanted.began - one.began
            guard one.end != nil, time > limits.grace, let holds = ofAccount[one.user] else { return nil }
            let pace = Double(one.taken) / ((time - limits.grace) / .seconds(1))
            return holds > fair || pace < limits.pace ? (number, holds, pace) : nil
        }
        return worst.max { $0.holds == $1.holds ? $0.pace > $1.pace : $0.holds < $1.holds }?.number
    }

    fileprivate mutating func add(_ one: UnsentBudget.Held) {
        given += 1
        held[given] = one
        count(one, by: one.bytes)
    }

    fileprivate mutating func remove(_ number: Int) -> UnsentBudget.Held? {
        guard let one = held.removeValue(forKey: number) else { return nil }
        refused[one.user] = nil
        count(one, by: -one.bytes)
        return one
    }

    private mutating func count(_ one: UnsentBudget.Held, by bytes: Int) {
        total += bytes
        if one.end == nil { patient += bytes }
        let holds = (ofAccount[one.user] ?? 0) + bytes
        ofAccount[one.user] = holds > 0 ? holds : nil
    }
}

private struct PacedWriter: ResponseBodyWriter {
    var base: any ResponseBodyWriter
    let context: EdgeContext
    let place: UnsentBudget.Place

    mutating func write(_ buffer: ByteBuffer) async throws {
        var rest = buffer
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(65_536, rest.readableBytes)) {
            let size = piece.readableBytes
            try await base.write(piece)
            try await context.handedOver()
            place.took(size)
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await base.finish(trailingHeaders)
    }
}
