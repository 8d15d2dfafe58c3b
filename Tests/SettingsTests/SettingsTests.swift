import API
import Settings
import Testing

@Suite("What a setting may be")
struct SettingsTests {
    private func change(_ key: String, _ json: String) throws -> SettingChange {
        try SettingChange(key: key, value: JSON(parsing: json.utf8))
    }

    @Test(
        "A key has 1 to 255 characters of a small alphabet",
        arguments: ["a", "A.b:c-d_9", String(repeating: "k", count: 255)])
    func keys(key: String) throws {
        #expect(try change(key, "1").key == key)
    }

    @Test(
        "Any other key is refused",
        arguments: ["", " ", "a b", "ä", "a/b", "a\u{0}", String(repeating: "k", count: 256), "k;--"])
    func wrongKeys(key: String) {
        #expect(throws: SettingsRefusal.invalidKey) { try SettingChange(key: key, value: .int(1)) }
        #expect(throws: SettingsRefusal.invalidKey) { try SettingChange(deleting: key) }
    }

    @Test(
        "Typed keys take what the contract says",
        arguments: [
            ("theme", #""light""#), ("theme", #""system""#), ("accessibility", "{}"),
            ("notifications_enabled", "false"),
            ("accessibility", #"{"reduced_motion": true, "high_contrast": false, "large_text": true}"#),
            ("time_zone", #""UTC""#), ("time_zone", #""Europe/Berlin""#),
            ("time_zone", #""America/Argentina/Buenos_Aires""#),
            ("time_zone", #""Etc/GMT+5""#), ("themes", "5"),
        ])
    func typed(key: String, json: String) throws {
        #expect(try change(key, json).value != nil)
    }

    @Test(
        "And nothing else",
        arguments: [
            ("theme", #""blue""#), ("theme", "1"), ("accessibility", #"{"bold": true}"#),
            ("accessibility", #"{"large_text": 1}"#),
            ("accessibility", "[]"), ("notifications_enabled", #""true""#), ("notifications_enabled", "0"),
            ("time_zone", #""Mars/Olympus""#), ("time_zone", #""GMT+5""#), ("time_zone", #""""#),
            ("time_zone", #""../etc/passwd""#), ("any", "null"),
        ])
    func typedWrong(key: String, json: String) {
        let refusal = #expect(throws: SettingsRefusal.self) { try change(key, json) }
        #expect(refusal?.problem.code == "invalid_setting" && refusal?.problem.status == 422)
    }

    @Test("A value takes 16 KiB as JSON and 32 levels, and not one more")
    func limits() throws {
        let largest = String(repeating: "x", count: Setting.largestValue - 2)
        #expect(try SettingChange(key: "k", value: .string(largest)).value?.utf8.count == Setting.largestValue)
        #expect(throws: SettingsRefusal.self) { try SettingChange(key: "k", value: .string(largest + "x")) }
        var nested = JSON.int(1)
        for _ in 0..<JSON.deepestValue { nested = .array([nested]) }
        #expect(try SettingChange(key: "k", value: nested).value != nil)
        #expect(throws: SettingsRefusal.self) { try SettingChange(key: "k", value: .array([nested])) }
    }

    @Test("What storage refused is said in the feature's words")
    func storedRefusals() {
        #expect(SettingsRefusal(code: "too_many_settings", current: nil)?.problem.status == 409)
        #expect(SettingsRefusal(code: "version_mismatch", current: .int(3))?.problem.members["current"] == .int(3))
        #expect(SettingsRefusal(code: "other", current: nil) == nil)
    }
}
