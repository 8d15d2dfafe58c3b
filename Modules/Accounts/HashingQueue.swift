import API
import FoundationEssentials

/// On whose behalf a password is hashed.
package struct Asker: Sendable {
    package enum Standing: Int, CaseIterable, Sendable {
        /// Has a session, or signs in on a device that the account knows.
        case owner
        /// Signs in from anywhere.
        case stranger
        /// Registers.
        case newcomer
    }

    let standing: Standing
    /// From the widest network down to who cannot be told apart any more.
    let path: [String]

    init(_ standing: Standing, _ path: [String]) {
        self.standing = standing
        self.path = path
    }

    /// - Parameter place: the session, or the device. It counts within its network only: who has a hundred of them is no more
    ///   than others are.
    static func owner(_ client: EdgeContext.Client, _ place: UUID) -> Asker {
        Asker(.owner, client.networks + [place.text])
    }

    static func stranger(_ client: EdgeContext.Client) -> Asker { Asker(.stranger, client.networks) }

    static func newcomer(_ client: EdgeContext.Client) -> Asker { Asker(.newcomer, client.networks) }
}

/// What waits to be hashed: by standing, and within one by turns. Each standing has places of its own, so nobody is
/// displaced by one that stands lower. Of the turns every second begins with the owners, every fourth with strangers and the
/// rest with newcomers, each going on to the first that waits: an owner has at most one before them, and no crowd of
/// owners (whoever registers is one) stops the others.
struct HashingQueue<Element> {
    private var queues: [FairQueue<Element>]
    private var turn = 0

    /// - Parameter capacity: how many of each standing may wait.
    init(capacity: Int) {
        queues = Asker.Standing.allCases.map { _ in FairQueue(capacity: capacity) }
    }

    var count: Int { queues.reduce(0) { $0 + $1.count } }

    /// - Returns: who has to go for want of room.
    mutating func add(_ element: Element, for asker: Asker) -> Element? {
        queues[asker.standing.rawValue].add(element, for: asker.path)
    }

    mutating func next() -> Element? {
        guard count > 0 else { return nil }
        turn &+= 1
        let first = min(turn.trailingZeroBitCount, queues.count - 1)
        for index in [first] + queues.indices {
            if let element = queues[index].next() { return element }
        }
        return nil
    }
}
