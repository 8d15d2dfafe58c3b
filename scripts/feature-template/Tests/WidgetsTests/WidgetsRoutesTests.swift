import API
import Accounts
import FoundationEssentials
import HTTPTypes
import Persistence
import Sync
import TestSupport
import Testing
import Widgets

@Suite struct WidgetsRoutesTests {
    private let id = UUID.v7()

    private func calls(_ person: Person) -> RouterCalls {
        RouterCalls(as: person) { routes in
            let dispatcher = MutationDispatcher(
                handlers: WidgetsMutations(repository: person.widgets).handlers, repository: person.sync,
                announce: { _ in })
            WidgetsRoutes(repository: person.widgets, dispatcher: dispatcher).add(to: routes)
        }
    }

    private func body(_ name: JSON) -> JSON { .object(["id": .string(id.text), "name": name]) }

    @Test("A widget is made, listed, renamed and deleted")
    func widgets() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let made = try await ada.post("/widgets", body(.string("Tea")))
            #expect(made.status == 200 && made.tag == "\"1\"")
            let widget = try made.read(Widget.self)
            #expect(widget.id == id && widget.name == "Tea")
            let list = try await ada.get("/widgets")
            #expect(try list.read(WidgetList.self).widgets == [widget] && list.tag == "\"1\"")
            #expect(try await ada.get("/widgets", headers: [.ifNoneMatch: "\"1\""]).status == 304)
            let renamed = try await ada.post("/widgets", body(.string("Coffee")), headers: [.ifMatch: "\"1\""])
            #expect(try renamed.read(Widget.self).name == "Coffee" && renamed.tag == "\"2\"")
            #expect(
                try await ada.post("/widgets", body(.string("Cocoa")), headers: [.ifMatch: "\"1\""]).said
                    == "412 version_mismatch")
            #expect(try await ada.post("/widgets", body(.null)).status == 204)
            #expect(try await ada.get("/widgets").read(WidgetList.self).widgets.isEmpty)
        }
    }

    @Test("A key gives the first answer again, and is refused to another request")
    func keys() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            let key = UUID.v7()
            let first = try await ada.post("/widgets", body(.string("Tea")), key: key)
            let again = try await ada.post("/widgets", body(.string("Tea")), key: key)
            #expect(!first.isReplayed && again.isReplayed && again.body == first.body && again.tag == first.tag)
            #expect(try await ada.post("/widgets", body(.string("Coffee")), key: key).said == "422 idempotency_key_reused")
        }
    }

    @Test("What cannot be taken is refused and changes nothing, and nobody is served who has not signed in")
    func refusals() async throws {
        try await withTestDatabase { database, _ in
            let ada = calls(try await Person.register(database))
            for wrong in [body(.string("")), body(.int(5)), .object(["name": .string("Tea")]), .int(1)] {
                #expect(try await ada.post("/widgets", wrong).said == "422 invalid_body")
            }
            #expect(try await ada.get("/widgets").tag == "\"0\"")
            #expect(try await ada.signedOut.get("/widgets").said == "401 unauthenticated")
            #expect(try await ada.signedOut.post("/widgets", body(.string("Tea"))).said == "401 unauthenticated")
        }
    }
}
