import API
import Foundation
import NIOCore
import Sync
import TestSupport
import Testing

@testable import Realtime

@Suite("What a socket is sent next")
struct SocketStateTests {
    private let user = UUID.v7()

    private func cursor(_ version: Version) -> Cursor { Cursor(epoch: "e", place: Place(user: version, shared: 0)) }

    private func change(_ version: Version) -> Change {
        Change(user: user, previous: version - 1, version: version, documents: [], mutationIDs: [id(version)])
    }

    private func id(_ version: Version) -> UUID {
        UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UInt8(version)))
    }

    private func pull(from: Version?, to: Version) -> Pull {
        Pull(
            previous: from.map(cursor), cursor: cursor(to), reset: from == nil, documents: [],
            time: Timestamp(microseconds: 0))
    }

    private func words(_ actions: [SocketState.Action]) -> [String] {
        actions.map { action in
            switch action {
            case .deliver(let change, let from): "deliver \(from.place.user)>\(change.version)"
            case .pull(let since): "pull \(since.map { String($0.place.user) } ?? "all")"
            case .pullSoon: "soon"
            case .sendResults: "results"
            case .loseResults: "lost"
            }
        }
    }

    private func standing(at version: Version) -> SocketState {
        var state = SocketState()
        _ = state.begin(at: nil)
        _ = state.pulled(pull(from: nil, to: version))
        return state
    }

    @Test("It begins with a pull, and what is committed meanwhile is not lost")
    func beginning() {
        var state = SocketState()
        #expect(words(state.begin(at: cursor(3))) == ["pull 3"])
        #expect(words(state.changed(change(5))) == [])
        let (ids, actions) = state.pulled(pull(from: 3, to: 4))
        #expect(ids == [] && words(actions) == ["pull 4"])
        let (later, none) = state.pulled(pull(from: 4, to: 5))
        #expect(later == [id(5)] && words(none) == [])
    }

    @Test("A change that follows is delivered, one that is known already is not")
    func following() {
        var state = standing(at: 4)
        #expect(words(state.changed(change(5))) == ["deliver 4>5"])
        #expect(words(state.changed(change(5))) == [] && words(state.changed(change(3))) == [])
        #expect(words(state.changed(change(6))) == ["deliver 5>6"])
    }

    @Test("One that comes too early waits for the one before, and both are delivered in order")
    func outOfOrder() {
        var state = standing(at: 4)
        #expect(words(state.changed(change(6))) == ["soon"])
        #expect(words(state.changed(change(7))) == [])
        #expect(words(state.changed(change(5))) == ["deliver 4>5", "deliver 5>6", "deliver 6>7"])
        #expect(words(state.waited()) == [])
    }

    @Test("When the one before does not come, the database is asked, and the ids are not lost")
    func gap() {
        var state = standing(at: 4)
        #expect(words(state.changed(change(6))) == ["soon"])
        #expect(words(state.waited()) == ["pull 4"])
        let (ids, actions) = state.pulled(pull(from: 4, to: 6))
        #expect(ids == [id(6)] && words(actions) == [])
    }

    @Test("While it cannot be written to, nothing is kept but ids; then comes one merged pull")
    func slow() {
        var state = standing(at: 4)
        #expect(words(state.writability(false)) == [])
        for version in Version(5)...200 { #expect(words(state.changed(change(version))) == []) }
        #expect(words(state.writability(true)) == ["pull 4"])
        let (ids, actions) = state.pulled(pull(from: 4, to: 200))
        #expect(ids?.count == 196 && words(actions) == [])
    }

    @Test("Results wait for the changes that carry their effects")
    func results() {
        var state = standing(at: 4)
        #expect(words(state.pushed(ByteBuffer(string: "r"), head: 6)) == ["pull 4"])
        #expect(words(state.pulled(pull(from: 4, to: 6)).actions) == ["results"])
        #expect(words(state.pushed(ByteBuffer(string: "r"), head: 6)) == ["results"])
        #expect(words(state.pushed(ByteBuffer(string: "r"), head: 0)) == ["results"])
    }

    @Test("Results whose changes the database no longer knows are not waited for, and not vouched for")
    func lostResults() {
        // Restored to before: the head is never reached again.
        var state = standing(at: 9)
        #expect(words(state.pushed(ByteBuffer(string: "r"), head: 10)) == ["pull 9"])
        #expect(words(state.restored()) == [])
        #expect(words(state.pulled(pull(from: nil, to: 3)).actions) == ["pull 9"])
        #expect(words(state.pulled(pull(from: nil, to: 3)).actions) == ["lost"])
        #expect(!state.holdsResults)
        // Nobody said that it was restored, and the pull under way was begun before the results came.
        var other = standing(at: 9)
        _ = other.hinted(user: 10)
        #expect(words(other.pushed(ByteBuffer(string: "r"), head: 10)) == [])
        #expect(words(other.pulled(pull(from: nil, to: 3)).actions) == ["pull 3"])
        #expect(words(other.pulled(pull(from: 3, to: 3)).actions) == ["lost"])
        // Another database that happens to be as far.
        var third = standing(at: 9)
        _ = third.pushed(ByteBuffer(string: "r"), head: 10)
        let elsewhere = Pull(
            previous: nil, cursor: Cursor(epoch: "f", place: Place(user: 12, shared: 0)), reset: true, documents: [],
            time: Timestamp(microseconds: 0))
        #expect(words(third.pulled(elsewhere).actions) == ["lost"])
    }

    @Test("What all share is sent as it is to who stands where it begins; everybody else reads for themselves")
    func shared() {
        var state = standing(at: 4)
        let sent = state.changed(sharedFrom: 0, to: 2)
        #expect(sent.step?.from.place == Place(user: 4, shared: 0) && sent.step?.to.place == Place(user: 4, shared: 2))
        #expect(words(sent.actions) == [] && state.cursor?.place == Place(user: 4, shared: 2))
        // It was had already.
        let again = state.changed(sharedFrom: 1, to: 2)
        #expect(again.step == nil && words(again.actions) == [])
        // The one between is missing.
        let missing = state.changed(sharedFrom: 3, to: 4)
        #expect(missing.step == nil && words(missing.actions) == ["pull 4"])
        // While it is being read: it may have begun before this was there.
        let meanwhile = state.changed(sharedFrom: 4, to: 5)
        #expect(meanwhile.step == nil && words(meanwhile.actions) == [])
        var slow = standing(at: 4)
        _ = slow.writability(false)
        let unread = slow.changed(sharedFrom: 0, to: 1)
        #expect(unread.step == nil && words(unread.actions) == [])
        #expect(words(slow.writability(true)) == ["pull 4"])
    }

    @Test("A pull that waits its turn is for the user's own changes as soon as there is one")
    func urgency() {
        var state = standing(at: 4)
        #expect(words(state.hinted(shared: 7)) == ["pull 4"])
        #expect(state.isPulling && !state.isForOwn)
        #expect(words(state.changed(change(5))) == [])
        #expect(state.isForOwn)
        #expect(state.pullBegins()?.place.user == 4)
        let (ids, actions) = state.pulled(pull(from: 4, to: 5))
        #expect(ids == [id(5)] && words(actions) == [])
    }

    @Test("A client that moves while its pull waits is read for from there, once")
    func movedBeforeItsTurn() {
        var state = standing(at: 4)
        #expect(words(state.hinted(user: 5)) == ["pull 4"])
        for version in Version(1)...100 { #expect(words(state.resync(to: cursor(version))) == []) }
        #expect(state.pullBegins()?.place.user == 100)
        #expect(state.pulled(pull(from: 100, to: 100)).ids != nil)
    }

    @Test("A client that says it stands elsewhere is served from there, and what was on its way is thrown away")
    func resync() {
        var state = standing(at: 4)
        #expect(words(state.hinted(user: 5)) == ["pull 4"])
        #expect(words(state.resync(to: cursor(2))) == [])
        let (ids, actions) = state.pulled(pull(from: 4, to: 5))
        #expect(ids == nil && words(actions) == ["pull 2"])
        #expect(state.pulled(pull(from: 2, to: 5)).ids != nil)
    }

    @Test("A pull that failed is made again from where the client stands")
    func failure() {
        var state = standing(at: 4)
        #expect(words(state.hinted(user: 9)) == ["pull 4"])
        #expect(words(state.pullFailed()) == ["pull 4"])
    }

    @Test("Whatever happens in whatever order, frames follow one another and end at the head", arguments: 0..<200)
    func simulation(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state = SocketState()
        var client: Version?
        var head: Version = 0
        var waiting: [Change] = []
        var pulls: [Cursor?] = []
        var soon = false
        var writable = true

        func perform(_ actions: [SocketState.Action]) {
            for action in actions {
                switch action {
                case .deliver(let change, let from):
                    #expect(client == from.place.user && change.previous == from.place.user, "seed \(seed)")
                    client = change.version
                case .pull(let since): pulls.append(since)
                case .pullSoon: soon = true
                case .sendResults, .loseResults: break
                }
            }
        }

        func answerPull() {
            guard !pulls.isEmpty else { return }
            let since = pulls.removeFirst()
            let pull = pull(from: since?.place.user, to: head)
            let (ids, actions) = state.pulled(pull)
            if ids != nil {
                #expect(pull.reset || client == nil || since?.place.user == client, "seed \(seed)")
                client = head
            }
            perform(actions)
        }

        perform(state.begin(at: nil))
        for _ in 0..<300 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1, 2:
                head += 1
                waiting.append(change(head))
            case 3, 4:
                if let index = waiting.indices.randomElement(using: &random) {
                    perform(state.changed(waiting.remove(at: index)))
                }
            case 5: answerPull()
            case 6:
                writable.toggle()
                perform(state.writability(writable))
            default:
                if soon {
                    soon = false
                    perform(state.waited())
                } else if head > 0 {
                    perform(state.hinted(user: head))
                }
            }
        }
        perform(state.writability(true))
        for change in waiting { perform(state.changed(change)) }
        perform(state.waited())
        perform(state.hinted(user: head))
        while !pulls.isEmpty { answerPull() }
        #expect(client == head, "seed \(seed)")
    }
}
