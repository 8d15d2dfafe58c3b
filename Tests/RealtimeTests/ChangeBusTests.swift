import FoundationEssentials
import Sync
import Synchronization
import Testing

@testable import Realtime

@Suite struct ChangeBusTests {
    @Test("Whoever is subscribed hears everything that is announced, in the order of their subscription")
    func order() {
        let bus = ChangeBus()
        let heard = Mutex<[String]>([])
        func listener(_ name: String) -> Listener {
            Listener(name) { event in
                guard case .shared(let version, local: true) = event else { return }
                heard.withLock { $0.append("\(name) \(version)") }
            }
        }
        bus.announce(.shared(version: 1, local: true))
        bus.subscribe([listener("hub"), listener("hints")])
        bus.announce(.shared(version: 2, local: true))
        bus.subscribe([listener("long polls")])
        bus.announce(.shared(version: 3, local: true))
        #expect(heard.withLock { $0 } == ["hub 2", "hints 2", "hub 3", "hints 3", "long polls 3"])
        #expect(bus.names == ["hub", "hints", "long polls"])
    }
}
