import Foundation
import Testing

@testable import API
@testable import Accounts

@Suite("Who waits for a password to be hashed")
struct HashingQueueTests {
    @Test("Who waits is served by turns, and who brought most makes room")
    func turns() {
        var queue = FairQueue<Int>(capacity: 4)
        for number in 1...4 { #expect(queue.add(number, for: ["many"]) == nil) }
        // The fifth of the same is turned away; one of another takes the place of the last of the many.
        #expect(queue.add(5, for: ["many"]) == 5)
        #expect(queue.add(6, for: ["other"]) == 4)
        #expect(queue.add(7, for: ["third"]) == 3)
        #expect(queue.add(8, for: ["other"]) == 8 && queue.count == 4)
        #expect([queue.next(), queue.next(), queue.next(), queue.next(), queue.next()] == [1, 6, 7, 2, nil])
    }

    @Test("The networks of one site count as one against another's, and take turns among themselves")
    func sites() {
        var queue = FairQueue<String>(capacity: 4)
        for network in 1...4 { #expect(queue.add("site \(network)", for: ["site", "\(network)"]) == nil) }
        #expect(queue.add("site 5", for: ["site", "5"])?.hasPrefix("site") == true && queue.count == 4)
        #expect(queue.add("other", for: ["other", "1"])?.hasPrefix("site") == true)
        #expect(queue.add("third", for: ["third", "1"])?.hasPrefix("site") == true)
        #expect(queue.next() == "site 1" && queue.next() == "other" && queue.next() == "third")
        #expect(queue.next() == "site 2" && queue.next() == nil && queue.count == 0)
    }

    @Test("Of a site's networks the one that brought most makes room, and nobody of a smaller site")
    func longestWithin() {
        var queue = FairQueue<Int>(capacity: 5)
        for (number, path) in [["a", "1"], ["a", "2"], ["a", "2"], ["a", "2"], ["b", "1"]].enumerated() {
            #expect(queue.add(number, for: path) == nil)
        }
        #expect(queue.add(5, for: ["c", "1"]) == 3)
        #expect(queue.add(6, for: ["a", "1"]) == 6)
        #expect(queue.add(7, for: ["b", "2"]) == 2)
        #expect(queue.add(8, for: ["d", "1"]) != nil && queue.count == 5)
    }

    @Test("However many register or sign in, an owner has one before them at most and displaces none of them")
    func owners() {
        var queue = HashingQueue<String>(capacity: 4)
        for number in 0..<9 {
            _ = queue.add("newcomer", for: Asker(.newcomer, ["\(number)"]))
            _ = queue.add("stranger", for: Asker(.stranger, ["\(number)"]))
        }
        #expect(queue.count == 8)
        for _ in 0..<4 {
            #expect(queue.add("owner", for: Asker(.owner, ["home"])) == nil)
            #expect([queue.next(), queue.next()].contains("owner"))
        }
        _ = queue.add("owner", for: Asker(.owner, ["home"]))
        for number in 0..<9 {
            #expect(queue.add("stranger", for: Asker(.stranger, ["late \(number)"])) != "owner")
        }
        #expect([queue.next(), queue.next()].contains("owner"))
    }

    @Test("Sign-ins go before registrations, and no crowd of those before stops those behind")
    func shares() {
        var queue = HashingQueue<Asker.Standing>(capacity: 100)
        for standing in Asker.Standing.allCases {
            for number in 0..<100 { _ = queue.add(standing, for: Asker(standing, ["\(number)"])) }
        }
        let first = (0..<16).compactMap { _ in queue.next() }
        #expect(Asker.Standing.allCases.map { one in first.count { $0 == one } } == [8, 4, 4])
        var waiting = HashingQueue<Asker.Standing>(capacity: 4)
        for standing in Asker.Standing.allCases.reversed() { _ = waiting.add(standing, for: Asker(standing, [])) }
        #expect((0..<4).map { _ in waiting.next() } == [.owner, .stranger, .newcomer, nil])
    }

    @Test("A hundred sessions or devices at one address are one owner among others, and so are those of one site")
    func manyAccounts() {
        var queue = HashingQueue<Int>(capacity: 4)
        func owner(_ address: String) -> Asker {
            .owner(EdgeContext.Client(address: IPAddress(address), else: ""), UUID())
        }
        for number in 0..<8 { _ = queue.add(number, for: owner("198.51.100.7")) }
        #expect(queue.add(100, for: owner("203.0.113.5")) != 100)
        for number in 0..<8 { _ = queue.add(number, for: owner("2001:db8:0:\(number)::1")) }
        #expect(queue.add(200, for: owner("2001:db8:1::1")) != 200)
        let served = (0..<4).compactMap { _ in queue.next() }
        #expect(served.contains(100) && served.contains(200))
    }

    @Test("Of IPv6 a client is in a /48, a /56 and a /64; of IPv4 it is its address, translated or not")
    func networks() throws {
        #expect(
            try #require(IPAddress("2001:db8:1:2345:6::7")).networks
                == ["2001:db8:1::/48", "2001:db8:1:2300::/56", "2001:db8:1:2345::/64"])
        for one in ["198.51.100.7", "::ffff:198.51.100.7", "64:ff9b::198.51.100.7"] {
            #expect(try #require(IPAddress(one)).networks == ["198.51.100.7"])
        }
    }
}
