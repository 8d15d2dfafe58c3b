package import HummingbirdCore
import Metrics
import NIOCore
import Synchronization

/// How many connections there may be, in all and from one address, so that the descriptors last: a process without any can
/// neither open a log, nor reach its database, nor answer for its health (docs/decisions/0035).
///
/// The last places are late ones, and so is what an address gets beyond its share: who has one is answered about the process's
/// health, and told to come again for everything else. Where the late places are taken too, the oldest of them is given
/// to who comes; should that not be enough, nothing is accepted, and waits in the kernel's queue until somebody leaves.
package final class ConnectionPlaces: Sendable {
    enum Place: Sendable {
        case ordinary
        case late
        /// There is none, not even to say so.
        case none
    }

    fileprivate struct State {
        var all = 0
        var ofAddress: [[UInt8]: Int] = [:]
        /// The late ones, the oldest first.
        var late: [Late] = []
    }

    fileprivate struct Late {
        let channel: any Channel
        let address: [UInt8]?
    }

    package let most: Int
    private let late: Int
    private let mostOfAddress: Int
    private let isProxy: @Sendable (String) -> Bool
    private let state = Mutex(State())
    private let gauge = Gauge(label: "lockstep_connections")

    /// - Parameters:
    ///   - most: of all, with the late ones.
    ///   - ofAddress: of an address that is no trusted proxy's.
    ///   - isProxy: whether this address is one.
    package init(most: Int, ofAddress: Int, isProxy: @escaping @Sendable (String) -> Bool) {
        self.most = most
        late = max(1, min(64, most / 8))
        mostOfAddress = ofAddress
        self.isProxy = isProxy
    }

    /// Counts this connection, until it is closed.
    func enter(_ channel: any Channel) -> Place {
        // A proxy speaks for many; what it says of them is not known before there is a request.
        let isMany = channel.remoteAddress?.ipAddress.map(isProxy) ?? false
        let address = isMany ? nil : Self.network(of: channel.remoteAddress)
        let (place, evicted, all) = state.withLock { state -> (Place, (any Channel)?, Int) in
            let mine = address.map { state.ofAddress[$0] ?? 0 } ?? 0
            state.all += 1
            if let address { state.ofAddress[address] = mine + 1 }
            guard state.all <= most else { return (.none, nil, state.all) }
            let isWithinShare = mine < mostOfAddress
            if isWithinShare, state.all <= most - late { return (.ordinary, nil, state.all) }
            let evicted = state.makeRoom(for: address, isWithinShare ? late : max(1, late / 2), isWithinShare)
            state.late.append(Late(channel: channel, address: address))
            return (.late, evicted, state.all)
        }
        evicted?.close(promise: nil)
        gauge.record(Double(all))
        channel.closeFuture.whenComplete { _ in self.leave(channel, address) }
        return place
    }

    /// What counts as one address: of IPv6 a /64, which is what one household or one machine has.
    private static func network(of address: SocketAddress?) -> [UInt8] {
        switch address {
        // By their places in sockaddr_in and sockaddr_in6: the names belong to a module of NIO's own.
        case .v4(let v4)?: return withUnsafeBytes(of: v4.address) { Array($0[4..<8]) }
        case .v6(let v6)?:
            let bytes = withUnsafeBytes(of: v6.address) { Array($0[8..<24]) }
            // An IPv4 client of a socket that listens on both: ::ffff:a.b.c.d
            let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            return Array(isMapped ? bytes.suffix(4) : bytes.prefix(8))
        default: return []
        }
    }

    private func leave(_ channel: any Channel, _ address: [UInt8]?) {
        let all = state.withLock { state in
            state.all -= 1
            state.late.removeAll { $0.channel === channel }
            if let address {
                let left = (state.ofAddress[address] ?? 1) - 1
                state.ofAddress[address] = left > 0 ? left : nil
            }
            return state.all
        }
        gauge.record(Double(all))
    }

    /// Accepting pauses instead of failing.
    package var gate: any AvailableConnectionsDelegate { Gate(most: most) }

    private struct Gate: AvailableConnectionsDelegate {
        let most: Int
        var open = 0

        mutating func connectionOpened() { open += 1 }
        mutating func connectionClosed() { open -= 1 }
        func isAcceptingNewConnections() -> Bool { open < most }
    }
}

extension ConnectionPlaces.State {
    /// Takes a late place from the oldest where `most` are taken, of this address or of all.
    fileprivate mutating func makeRoom(for address: [UInt8]?, _ most: Int, _ ofAll: Bool) -> (any Channel)? {
        let rivals = late.indices.filter { ofAll || late[$0].address == address }
        guard rivals.count >= most, let oldest = rivals.first else { return nil }
        return late.remove(at: oldest).channel
    }
}
