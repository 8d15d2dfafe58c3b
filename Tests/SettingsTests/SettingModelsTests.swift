import API
import Accounts
import Settings
import Sync
import TestSupport
import Testing

@Suite struct SettingModelsTests {
    @Test("Every setting that the pages read is a document of its type, and a deleted one is null")
    func documents() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let set: [Verbatim: JSON] = [
                "theme": .string("dark"), "notifications_enabled": .bool(true), "time_zone": .string("Europe/Berlin"),
                "accessibility": .object(["large_text": .bool(true), "high_contrast": .bool(false)]),
            ]
            try await ada.patch(set)
            try await ada.set("note", .string("anything"))
            try await ada.delete("note")
            var members: JSON.Members = [:]
            for (name, value) in try await ada.documents() where name.hasPrefix("settings/") {
                members[String(name.dropFirst(9)).verbatim] = try value?.parsed ?? .null
            }
            #expect(members.removeValue(forKey: "note") == .null)
            let state = try UIState(exactly: .object(members))
            #expect(state.theme == .dark && state.notificationsEnabled == true && state.timeZone == "Europe/Berlin")
            #expect(state.accessibility?.largeText == true && state.accessibility?.highContrast == false)
            #expect(state.accessibility?.reducedMotion == nil)
        }
    }

    @Test("What a change answers is the setting as its type has it, first and again")
    func answers() async throws {
        try await withTestDatabase { database, _ in
            let ada = try await Person.register(database)
            let first = try await ada.set("theme", .string("dark"))
            let setting = try Setting(exactly: try #require(first.outcome.output))
            #expect(setting.key == "theme" && setting.version == 1 && setting.value.text == "\"dark\"")
            let both = try await ada.patch(["theme": .string("light"), "b": .int(1), "c": nil])
            let list = try SettingList(exactly: try #require(both.outcome.output)).settings
            #expect(list.map(\.key) == ["b", "theme"] && list.map(\.version) == [2, 2])
        }
    }

    @Test("A type takes what the server takes, and the server what it takes")
    func words() throws {
        for theme in Theme.allCases {
            #expect(try SettingChange(key: "theme", value: .string(theme.rawValue)).value != nil)
        }
        guard case .object(let members) = try Accessibility.shape else { return #expect(Bool(false)) }
        for name in members.keys {
            #expect(try SettingChange(key: "accessibility", value: .object([name.verbatim: .bool(true)])).value != nil)
        }
    }

    @Test("The OpenAPI document says of settings what the types say")
    func openAPI() throws {
        let document = try OpenAPIDocument.published
        let types: [String: any Model.Type] = [
            "get /api/settings": SettingList.self, "patch /api/settings": SettingList.self,
            "post /api/settings": Setting.self, "get /api/settings/{key}": Setting.self,
            "get /api/settings/{key}/history": SettingHistory.self,
        ]
        #expect(try document.faults(below: "/api/settings", types) == [])
        // In a change each may be null besides, which deletes it.
        let patch = try #require(document.schema("SettingsPatch"))
        let faults = try document.faults(patch, UIState.shape, at: "patch")
        #expect(faults.allSatisfy { $0.hasSuffix(" may be null") }, "\(faults)")
    }
}
