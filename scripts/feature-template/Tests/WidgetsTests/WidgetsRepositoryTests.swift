import API
import Accounts
import FoundationEssentials
import Logging
import Persistence
import Sync
import TestSupport
import Testing
import Widgets

extension Person {
    var widgets: PostgresWidgets { PostgresWidgets(database: database, sync: sync) }

    @discardableResult
    func set(
        widget id: UUID, _ name: String?, as mutation: UUID = .v7(), base: Version? = nil,
        match: Mutation.Precondition? = nil
    ) async throws -> Applied {
        let args: JSON = .object(["id": .string(id.text), "name": name.map { .string($0) } ?? .null])
        return try await widgets.set(
            sign("widgets.set", args, id: mutation, base: base, match: match), WidgetChange(reading: args))
    }

    func widgetNames() async throws -> [String] {
        try await widgets.widgets(of: user.id).widgets.map { try Widget(exactly: $0).name }.sorted()
    }
}

@Suite struct WidgetsRepositoryTests {
    private let id = UUID.v7()

    @Test("A write moves the head by one, and says what changed")
    func write() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let mutation = UUID.v7()
            let applied = try await ada.set(widget: id, "Tea", as: mutation)
            #expect(applied.outcome.status == .applied && applied.outcome.version == 1 && applied.outcome.head == 1)
            #expect(try Widget(exactly: #require(applied.outcome.output)) == Widget(exactly: #require(document(applied))))
            let change = try #require(applied.change)
            #expect(change.previous == 0 && change.version == 1 && change.mutationIDs == [mutation])
            #expect(try await ada.widgets.widgets(of: ada.user.id).head == 1)
            #expect(try await ada.documents()["widgets/\(id.text)"]??.text == document(applied)?.text)
        }
    }

    private func document(_ applied: Applied) -> RawJSON? { applied.change?.documents.first?.value }

    @Test("Writing what is there already changes no version and tells nobody")
    func unchanged() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set(widget: id, "Tea")
            let same = try await ada.set(widget: id, "Tea")
            #expect(same.outcome.status == .applied && same.outcome.version == 1 && same.change == nil)
            let none = try await ada.set(widget: .v7(), nil)
            #expect(none.outcome.status == .applied && none.outcome.head == 1 && none.change == nil)
        }
    }

    @Test("A deleted widget is gone for who reads, a null for who has it, and may come back")
    func deleted() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            try await ada.set(widget: id, "Tea")
            let gone = try await ada.set(widget: id, nil)
            #expect(gone.outcome.output == nil && gone.change?.documents.map(\.value) == [nil])
            #expect(try await ada.widgetNames().isEmpty)
            #expect(try await ada.documents()["widgets/\(id.text)"] == .some(nil))
            try await ada.set(widget: id, "Coffee")
            #expect(try await ada.widgetNames() == ["Coffee"])
        }
    }

    @Test("The same id gives the first answer again, from either device")
    func replay() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            let mutation = UUID.v7()
            let first = try await ada.set(widget: id, "Tea", as: mutation)
            let again = try await phone.set(widget: id, "Tea", as: mutation)
            #expect(again.outcome.replayed && again.change == nil && again.outcome.output == first.outcome.output)
            #expect(try await ada.widgetNames() == ["Tea"])
        }
    }

    @Test("Who wrote over what they had not seen has lost, and is told what stands")
    func conflicts() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let phone = try await ada.onAnotherDevice()
            try await ada.set(widget: id, "Tea", base: 0)
            let lost = try await phone.set(widget: id, "Coffee", base: 0)
            #expect(lost.outcome.status == .conflict && lost.outcome.version == 1 && lost.change == nil)
            #expect(try Widget(exactly: #require(lost.outcome.document?.value)).name == "Tea")
            #expect(try await ada.conflicts().count == 1)
            // Who wrote both has lost nothing, nor who wanted the same.
            #expect(try await ada.set(widget: id, "Cocoa", base: 0).outcome.status == .applied)
            #expect(try await phone.set(widget: id, "Cocoa", base: 0).outcome.status == .applied)
        }
    }

    @Test("If-Match holds a write to the version that its writer saw")
    func preconditions() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let none = try await ada.set(widget: id, "Tea", match: .exists)
            #expect(none.outcome.problem?.code == "version_mismatch")
            try await ada.set(widget: id, "Tea")
            #expect(try await ada.set(widget: id, "Coffee", match: .version(1)).outcome.version == 2)
            let stale = try await ada.set(widget: id, "Cocoa", match: .version(1))
            #expect(stale.outcome.problem?.members["current"]?["name"]?.string == "Coffee")
        }
    }

    @Test("A thousand and no more, with those that were deleted lately; what is there can be written")
    func limit() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            try await ada.set(widget: id, "Tea")
            try await PostgresSession.run(
                """
                INSERT INTO widgets (user_id, id, name, version, device_id)
                SELECT user_id, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'x' END, 1, device_id
                FROM widgets, generate_series(2, \(Widget.most)) AS n
                """, at: url)
            let refused = try await ada.set(widget: .v7(), "Coffee")
            #expect(refused.outcome.problem?.code == "too_many_widgets" && refused.change == nil)
            #expect(try await ada.set(widget: id, "Coffee").outcome.status == .applied)
        }
    }

    @Test("A tombstone goes after 30 days, and who has not heard of it by then starts over")
    func purge() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let kept = UUID.v7()
            for one in [id, kept] {
                try await ada.set(widget: one, "Tea")
                try await ada.set(widget: one, nil)
            }
            try await PostgresSession.run(
                "UPDATE widgets SET updated_at = now() - interval '31 days' WHERE id = '\(id.text)'", at: url)
            let silent = Logger(label: "tests", factory: { _ in SwiftLogNoOpLogHandler() })
            await PostgresHousekeeping(database: database, purges: testViews.purges, logger: silent).tidy()
            #expect(try await PostgresSession.run("SELECT id FROM widgets", at: url) == [[kept.text]])
            #expect(try await PostgresSession.run("SELECT floor FROM sync_heads", at: url) == [["2"]])
        }
    }

    @Test("Nobody sees or touches another user's widgets, and for an account that is gone nothing is written")
    func apart() async throws {
        try await withTestDatabase { database, url in
            let ada = try await Person.register(database)
            let ben = try await Person.register(database)
            try await ada.set(widget: id, "Tea")
            try await ben.set(widget: id, nil)
            #expect(try await ben.widgetNames().isEmpty)
            #expect(try await ada.widgetNames() == ["Tea"])
            try await PostgresSession.run("DELETE FROM users WHERE id = '\(ben.user.id.text)'", at: url)
            await #expect(throws: Problem.unauthenticated) { try await ben.set(widget: id, "Tea") }
            await #expect(throws: Problem.unauthenticated) { try await ben.widgetNames() }
        }
    }
}
