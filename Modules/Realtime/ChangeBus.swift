package import Sync
import Synchronization

/// Where everything that happens in this process is announced, and what other processes say besides. The composition root
/// subscribes who hears it, by name and in order; they cannot be asked for before all of them are made, because most of them
/// announce too.
package final class ChangeBus: Sendable {
    private let listeners = Mutex<[Listener]>([])

    package init() {}

    /// Calls these from now on, for the life of the process, in this order behind those that are there.
    package func subscribe(_ more: [Listener]) {
        listeners.withLock { $0 += more }
    }

    package func announce(_ event: ChangeEvent) {
        for listener in listeners.withLock({ $0 }) { listener.hear(event) }
    }

    /// Who hears, in order.
    package var names: [String] { listeners.withLock { $0.map(\.name) } }
}
