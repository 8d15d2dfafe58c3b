import Testing

@Suite("What both sides must know is the same on both")
struct WrittenOnceTests {
    private static let rule = WrittenOnceRules.Rule(
        name: "how long a nap is", value: [1_200],
        places: [
            .init(path: "Modules/Nap/Storage/", pattern: #"nap <= (\d+)"#),
            .init(path: "Clients/Web/", pattern: #"NAP_MS = ([\d_]+)"#, says: [1_200_000]),
        ])

    private func violations(_ sql: String, _ script: String) -> [String] {
        let tree = SourceTree(["Modules/Nap/Storage/nap.sql": sql, "Clients/Web/sync/nap.js": script])
        return WrittenOnceRules.places(tree, rules: [Self.rule]).map(\.description)
    }

    @Test("Every place of every rule says it, and says the same")
    func clone() {
        for violation in WrittenOnceRules.places(.clone) { Issue.record("\(violation)") }
    }

    @Test(
        "The switches of a page have the same names, in the same order, in the setting's type and wherever the client lists them"
    )
    func switches() throws {
        let tree = SourceTree.clone
        let word = Pattern(#""?\b([a-z]+_[a-z]+)\b"?"#)
        func names(_ path: String, _ pattern: String) throws -> [String] {
            let matches = Pattern(pattern).matches(in: tree.file(path)?.text ?? "")
            let match = try #require(matches.first, "\(path)")
            return word.matches(in: match.groups[1]).map { $0.groups[1] }
        }
        let own = try names(
            "Modules/Settings/SettingModels.swift", #"(?s)struct Accessibility.*?enum CodingKeys[^{]*\{([^}]*)\}"#)
        #expect(own.count == 3)
        for (path, pattern) in [
            ("Clients/Web/features/settings.js", #"SWITCHED_OFF = \{([^}]*)\}"#),
            ("Clients/Web/react/useServerSettings.js", #"PLAIN = \{([^}]*)\}"#),
            ("Clients/Web/theme/provider.js", #"SWITCHES = \[([^\]]*)\]"#),
            ("Clients/Web/guard/migrate.js", #"camel = \{([^}]*)\}"#),
            ("Clients/Web/theme.css", #"data-accessibility \(a list of ([a-z_, ]*)\)"#),
        ] {
            #expect(try names(path, pattern) == own, "\(path)")
        }
    }

    @Test("A place that says another number is found, in its own units")
    func differs() {
        #expect(violations("CHECK (nap <= 1200)", "const NAP_MS = 1_200_000;") == [])
        #expect(
            violations("CHECK (nap <= 1200)", "\nconst NAP_MS = 1_300_000;") == [
                "Clients/Web/sync/nap.js:2: how long a nap is is [1200000], not [1300000]"
            ])
        #expect(violations("CHECK (nap <= 900)", "const NAP_MS = 1_200_000;").count == 1)
    }

    @Test("A place that says nothing any more is found: it must not go unheld")
    func silent() {
        #expect(
            violations("CHECK (nap <= 1200)", "const NAP = 20 * MINUTE_MS;") == [
                "Clients/Web/:1: no longer says how long a nap is"
            ])
    }

    @Test("The words that the web client has for a problem are for codes that there are, and it has some for each")
    func problemWords() {
        for violation in ProblemRules.words(.clone) { Issue.record("\(violation)") }
        func codes(_ words: String) -> [String] {
            ProblemRules.words(
                SourceTree([
                    "Modules/Nap/Nap.swift":
                        "extension ProblemCode {\n    static let late = ProblemCode(\"late\", 409)\n}",
                    "Clients/Web/sync/queue.js": "reject({ code: \"queue_full\" });",
                    "Clients/Web/pages/problems.js": words,
                ])
            ).map(\.description)
        }
        #expect(codes("const WORDS = {\n    late: \"x\",\n    queue_full: \"y\",\n};\n") == [])
        #expect(
            codes("const WORDS = {\n    latest: \"x\",\n};\n") == [
                "Clients/Web/pages/problems.js:2: `latest` is no code that there is",
                "Modules/Nap/Nap.swift:2: the web client has no words for `late`",
            ])
        #expect(codes("const SPOKEN = new Set([\"late\", \"early\"]);").count == 1)
    }

    @Test("A feature's limit is the same in Swift, in SQL and for the web client, and one that differs is found")
    func limits() {
        for violation in WrittenOnceRules.limits(.clone) { Issue.record("\(violation)") }
        let found = WrittenOnceRules.limits(
            SourceTree([
                "Modules/Habits/Habit.swift": "package static let most = 1_000\n",
                "Modules/Habits/Storage/habits.sql": "IF one.id IS NULL AND rows >= 1001 THEN\n",
                "Clients/Web/features/habits.js": "\nconst MOST = 100;\n",
                "Modules/Notes/Note.swift": "package static let most = 1_000\n",
                "Clients/Web/features/notes.js": "const MOST = 1_000;\n",
            ]))
        #expect(
            found.map { "\($0.path):\($0.line)" }.sorted() == [
                "Clients/Web/features/habits.js:2", "Modules/Habits/Storage/habits.sql:1",
            ])
    }
}
