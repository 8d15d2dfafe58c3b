import Testing

/// Each rule, held against a tree that breaks it and against one that only looks as if.
@Suite("A rule sees what breaks it, and nothing else")
struct FixtureTests {
    /// Where `rule` finds something in a tree of these files: `path:line`, sorted.
    func places(_ rule: (SourceTree) -> [Violation], _ files: [String: String]) -> [String] {
        Set(rule(SourceTree(files)).map { "\($0.path):\($0.line)" }).sorted()
    }

    @Test("An import outside the row is found in every form, and a module without a row too")
    func imports() {
        let found = places(
            ImportRules.imports,
            [
                "Modules/Settings/A.swift": "import API\nimport Persistence\n",
                "Modules/Settings/Storage/A.swift": "import API\nimport Persistence\n",
                "Modules/Settings/B.swift": "package import Sync\n@preconcurrency package import Accounts\n",
                "Modules/Settings/C.swift": "// import Realtime\nlet text = \"\"\"\nimport Realtime\n\"\"\"\n",
                "Modules/Persistence/D.swift": "import CLibPQ\nimport struct HTTPTypes.HTTPFields\n",
                "Modules/Realtime/E.swift": "import Settings\nimport NIOCore\n",
                "Modules/Sync/F.swift": "    @testable internal import Hummingbird; import Foundation\nimport NIOPosix",
                "Modules/Attic/G.swift": "import API\n",
                "Modules/Habits/A.swift": "import Sync\nimport Crypto\n",
                "Package.swift": "feature(\"Accounts\"), feature(\n\"Habits\"), feature(\"Settings\")",
                "App/H.swift": "import Persistence\nimport XCTest\n",
                "Tests/SyncTests/I.swift": "import Persistence\n",
            ])
        #expect(
            found == [
                "App/H.swift:2", "Modules/Attic:1", "Modules/Habits/A.swift:2", "Modules/Persistence/D.swift:2",
                "Modules/Realtime/E.swift:1", "Modules/Settings/A.swift:2", "Modules/Settings/B.swift:2",
                "Modules/Sync/F.swift:2",
            ])
    }

    @Test("A need that differs from the row is found, and a feature that App does not list")
    func graph() {
        let good = """
            module("Sync", needs: ["API", "Persistence"], .log),
            module("API", needs: []),
            feature("Settings"),
                    module(
                        name, needs: ["API", "Sync", "Persistence"], rules: rules)

            """
        let app = ["App/Features/Features.swift": "import API\nimport Settings\n"]
        #expect(places(ImportRules.graph, app.merging(["Package.swift": good]) { $1 }).isEmpty)
        let bad = """
            module("API", needs: ["Accounts"]),
            feature("Habits"),
            module(name, needs: ["API", "Sync"], rules: rules)
            """
        #expect(
            places(ImportRules.graph, app.merging(["Package.swift": good + bad]) { $1 })
                == ["Package.swift:6", "Package.swift:7", "Package.swift:8"])
        #expect(places(ImportRules.graph, [:]) == ["Package.swift:1"])
    }

    @Test("A problem's code that is made in passing, unlisted, told twice or unknown to the table is found")
    func problems() {
        let good = """
            extension ProblemCode {
                package static let one: [ProblemCode] = [
                    first, second,
                ]
                static let first = ProblemCode(
                    "first", 409, "First", others: [.other], meaning: "")
                package static let second = ProblemCode("second", 409, "Second", meaning: "")
            }
            extension ProblemDetail {
                static let other = ProblemDetail("Other")
            }
            """
        let files = [
            "App/ProblemCatalogue.swift": "let codes = ProblemCode.one + ProblemCode.other\n",
            "Modules/Settings/A.swift": good,
            "Modules/Settings/Storage/a.sql": "jsonb_build_object('code', 'first')\n",
        ]
        #expect(places(ProblemRules.table, files).isEmpty)
        let bad = [
            "Modules/Sync/A.swift": "let problem = Problem(ProblemCode(\"x\", 409, \"X\", meaning: \"\"))\n",
            "Modules/Sync/B.swift": "static let third = ProblemCode(\"third\", 409, \"Third\", meaning: \"\")\n",
            "Modules/Sync/C.swift":
                "static let other: [ProblemCode] = [again]\nstatic let again = ProblemCode(\"first\", 409, \"\")\n",
            "Modules/Sync/D.swift": "static let lost: [ProblemCode] = []\n",
            "Modules/Sync/E.swift": "throw Problem(.first, detail: ProblemDetail(\"E\"))\n",
            "Modules/Sync/F.swift": "static let unlisted = ProblemDetail(\"F\")\n",
            "Modules/Sync/Storage/a.sql": "SELECT 1;\njsonb_build_object('code', 'fourth')\n",
        ]
        let found = places(ProblemRules.table, files.merging(bad) { $1 })
        #expect(
            found.filter { $0.hasPrefix("Modules/Sync/") } == found
                && found.map { $0.dropFirst("Modules/Sync/".count) } == [
                    "A.swift:1", "B.swift:1", "C.swift:2", "D.swift:1", "E.swift:1", "F.swift:1", "Storage/a.sql:2",
                ])
    }

    @Test("SQL, the driver's names and the database's are found in a feature, in strings and in code")
    func storage() {
        let found = places(
            VocabularyRules.storage,
            [
                "Modules/Settings/A.swift": "let a = \"SELECT 1\"\nlet b = \"delete from user_settings\"\n",
                "Modules/Settings/B.swift": "let c = PostgresSettings()\nPQexec(connection)\n",
                "Modules/Sync/C.swift": "let d = \"\"\"\n    update x set y\n    \"\"\"\n",
                "Modules/Accounts/D.swift": "// SELECT is PostgreSQL's\nlet e = \"Delete some, or select fewer.\"\n",
                "Modules/Accounts/E.swift": "let f = \"a \\(g(\"INSERT x\")) b\"",
                "Modules/Persistence/F.swift": "let h = \"SELECT 1\"\n",
                "Modules/Settings/Storage/F.swift": "let h = \"SELECT 1\"\n",
                "App/G.swift": "let i = PostgresSettings()\nlet j = \"SELECT 1\"\n",
            ])
        #expect(
            found == [
                "App/G.swift:2", "Modules/Accounts/E.swift:1", "Modules/Settings/A.swift:1",
                "Modules/Settings/A.swift:2",
                "Modules/Settings/B.swift:1", "Modules/Settings/B.swift:2", "Modules/Sync/C.swift:1",
            ])
    }

    @Test("A feature that App names besides its list and commands is found")
    func featuresAreListedOnce() {
        let found = places(
            ImportRules.featuresAreListedOnce,
            [
                "Modules/Habits/HabitsFeature.swift": "", "Modules/Accounts/AccountsFeature.swift": "",
                "App/Features/Features.swift": "import Habits\n", "App/HabitsCommand.swift": "import Habits\n",
                "App/Server.swift": "import Accounts\nimport Habits\n",
            ])
        #expect(found == ["App/Server.swift:2"])
    }

    @Test("Words of the edge are found where the database is spoken to")
    func edgeWords() {
        let found = places(
            VocabularyRules.edgeWords,
            [
                "Modules/Persistence/A.swift": "// a Request of HTTP\nlet a: HTTPFields\nlet b = \"Response\"\n",
                "Modules/Persistence/B.swift": "struct RowRequest {}\n",
                "Modules/API/C.swift": "let c: HTTPFields\n",
                "Modules/Sync/Storage/D.swift": "let d: HTTPFields\n",
            ])
        #expect(
            found == [
                "Modules/Persistence/A.swift:2", "Modules/Persistence/B.swift:1", "Modules/Sync/Storage/D.swift:1",
            ])
    }

    @Test("A feature's noun is found in Realtime and in Sync")
    func featureWords() {
        let found = places(
            VocabularyRules.featureWords,
            [
                "Modules/Realtime/A.swift": "let a: FocusSession\nlet b = settings\nlet c = \"wallet\"\n",
                "Modules/Realtime/B.swift": "// of a setting\nlet focused = themed\nlet marketing = coinage\n",
                "Modules/Settings/C.swift": "let d: Setting\n",
                "Modules/Sync/Storage/D.swift": "let e: SQL = \"SELECT 1 FROM focus_sessions\"\n",
            ])
        #expect(
            found == [
                "Modules/Realtime/A.swift:1", "Modules/Realtime/A.swift:2", "Modules/Realtime/A.swift:3",
                "Modules/Sync/Storage/D.swift:1",
            ])
    }

    @Test("Reading the environment is found outside App")
    func environment() {
        let found = places(
            VocabularyRules.environmentAccess,
            [
                "Modules/API/A.swift": "let a = ProcessInfo.processInfo.environment[\"A\"]\nlet b = getenv(\"B\")\n",
                "Modules/API/B.swift": "let environment = 1 // getenv(\"B\")\n",
                "App/C.swift": "let c = getenv(\"C\")\n",
            ])
        #expect(found == ["Modules/API/A.swift:1", "Modules/API/A.swift:2"])
    }

    @Test("A bare task is found outside App and Realtime's service")
    func bareTasks() {
        let found = places(
            VocabularyRules.bareTasks,
            [
                "Modules/API/A.swift":
                    "Task { run() }\nTask.detached { }\nTask(priority: .low) {}\n_ = Task<Void, Never> {\n",
                "Modules/API/B.swift":
                    "group.addTask { run() }\nawait Task.yield()\nlet t: Task<Void, Never>\n// Task {\n",
                VocabularyRules.realtimeService: "Task { run() }\n",
                "App/C.swift": "Task { run() }\n",
            ])
        #expect(found == (1...4).map { "Modules/API/A.swift:\($0)" })
    }

    @Test("Text from outside that is handled as a String is found, unless the line says why it may be")
    func outsideText() {
        let found = places(
            OutsideTextRules.verbatim,
            [
                "Modules/API/A.swift": "let a: [String: Int]\nlet b: Set<String>\nlet c: RateLimiter<String>\n"
                    + "let d: [String: Int]  // ours\nlet e: [Verbatim: String]\n",
                "Modules/API/B.swift": "if a == \"x\" {}\nif a.verbatim == \"x\" {}\nif \"x\" != a {}\n"
                    + "if problem.code == \"x\" {}\nif a?.verbatim != \"x\" {}\nlet b = \"a == \\(c)\"\n",
                "Modules/API/C.swift": "switch type {\ncase \"a\": b()\ndefault: c()\n}\n"
                    + "switch type.verbatim {\ncase \"a\": b()\n}\nswitch error.code {\ncase \"a\": b()\n}\n",
                "Modules/Sync/D.swift": "a.lowercased()\na.asciiLowercased\na.hasPrefix(b)\na.split(separator: \",\")\n"
                    + "a.utf8.split(separator: comma)\na.contains(\"b\")\n[\"a\"].contains(b)\n"
                    + "[\"a\"].contains(b.verbatim)\na.allSatisfy(\\.isWhitespace)\n"
                    + "a.unicodeScalars.allSatisfy(\\.properties.isWhitespace)\nuri.queryParameters[b]\n",
                "Modules/Sync/Storage/E.swift": "if row.status == \"gone\" {}\nvar f: [String: Int] = [:]\n",
                "App/F.swift": "import Hummingbird\nif a == \"x\" {}\n", "App/G.swift": "if argument == \"x\" {}\n",
                "App/H.swift": "import Hummingbird\na.wholeMatch(of: b)  // bounded\na.firstMatch(of: b)  // ours\n",
            ])
        #expect(
            found == [
                "App/F.swift:2", "App/H.swift:2", "Modules/API/A.swift:1", "Modules/API/A.swift:2",
                "Modules/API/A.swift:3",
                "Modules/API/B.swift:1", "Modules/API/B.swift:3", "Modules/API/C.swift:2",
                "Modules/Sync/D.swift:1", "Modules/Sync/D.swift:11", "Modules/Sync/D.swift:3", "Modules/Sync/D.swift:4",
                "Modules/Sync/D.swift:6", "Modules/Sync/D.swift:7", "Modules/Sync/D.swift:9",
                "Modules/Sync/Storage/E.swift:2",
            ])
    }

    @Test("A file of 401 lines is found, unless its first line says why")
    func sizes() {
        let long = String(repeating: "x\n", count: 400)
        let found = places(
            TidyRules.sizes,
            [
                "Modules/API/A.swift": long, "Modules/API/B.swift": long + "x\n", "Tests/c.py": long + "x",
                "Modules/API/D.swift": "// Long because one table is read in one place.\n" + long,
                "docs/openapi.json": long + long,
            ])
        #expect(found == ["Modules/API/B.swift:401", "Tests/c.py:401"])
    }

    @Test("A name that says nothing is found on files, folders and types")
    func names() {
        let found = places(
            TidyRules.names,
            [
                "Modules/API/StringUtils.swift": "", "Modules/Common/A.swift": "", "Tests/test_helpers.py": "",
                "Modules/API/B.swift": "struct A {}\nfinal class SyncHelper {}\nenum Core {}\nstruct Scored {}\n",
                "Modules/API/Commonplace.swift": "import NIOCore\n",
            ])
        #expect(
            found == [
                "Modules/API/B.swift:2", "Modules/API/B.swift:3", "Modules/API/StringUtils.swift:1",
                "Modules/Common/A.swift:1", "Tests/test_helpers.py:1",
            ])
    }

    @Test("A leftover is found, unless it names a decision")
    func leftovers() {
        let found = places(
            TidyRules.leftovers,
            [
                "Modules/API/A.swift": "a\n// TODO: later\n// TODO: see DEC-003\n", "scripts/b": "# FIXME\n",
                "Clients/Web/c.js": "const todos = []\n",
            ])
        #expect(found == ["Modules/API/A.swift:2", "scripts/b:1"])
    }

    @Test("Public access is found in the server")
    func access() {
        let found = places(
            TidyRules.access,
            [
                "Modules/API/A.swift": "package struct A {}\npublic struct B {}\n@frozen public enum C {}\n",
                "App/B.swift": "open class D {}\nlet e = open(path)\nlog(.public) // public\n",
                "Clients/Swift/C.swift": "public struct F {}\n",
            ])
        #expect(found == ["App/B.swift:1", "Modules/API/A.swift:2", "Modules/API/A.swift:3"])
    }

    @Test("What ends the process is found")
    func traps() {
        let found = places(
            TidyRules.traps,
            ["Modules/API/A.swift": "fatalError(\"no\")\nlet a = try! b()\nlet c = d as! E\nlet f = try? g() as? H\n"])
        #expect(found == ["Modules/API/A.swift:1", "Modules/API/A.swift:2", "Modules/API/A.swift:3"])
    }

    @Test("A target without the house's settings is found, and a setting that left the house")
    func settings() {
        let house = PackageRules.settings.joined(separator: "\n") + "\nswiftLanguageModes: [.v6]\n"
        let good = house + ".target(name: \"A\", path: f(\"B\"), swiftSettings: house())\n"
        #expect(places(PackageRules.house, ["Package.swift": good]).isEmpty)
        let bad = good + ".testTarget(name: \"B\")\n.systemLibrary(name: \"C\")\n"
        #expect(places(PackageRules.house, ["Package.swift": bad]) == ["Package.swift:7"])
        for setting in PackageRules.settings + ["swiftLanguageModes: [.v6]"] {
            let less = good.replacing(setting, with: "")
            #expect(places(PackageRules.house, ["Package.swift": less]) == ["Package.swift:1"], "\(setting)")
        }
    }

    @Test("A migration without its way back, one with a taken number and a wrong name are found")
    func migrations() {
        let found = places(
            MigrationRules.pairs,
            [
                "Migrations/0001_a.sql": "", "Migrations/0001_a.down.sql": "", "Migrations/0002_b.sql": "",
                "Migrations/0003_c.down.sql": "", "Migrations/4_d.sql": "", "Migrations/0001_e.sql": "",
                "Migrations/0001_e.down.sql": "", "Migrations/README.md": "",
            ])
        #expect(
            found == [
                "Migrations/0001_e.down.sql:1", "Migrations/0001_e.sql:1", "Migrations/0002_b.sql:1",
                "Migrations/0003_c.down.sql:1", "Migrations/4_d.sql:1",
            ])
    }

    @Test("A user's table whose key does not begin with the user is found")
    func userFirst() {
        let text = """
            CREATE TABLE good (
                user_id uuid NOT NULL, -- the owner, in brackets (
                id uuid NOT NULL,
                CONSTRAINT good_pkey PRIMARY KEY (user_id, id)
            );
            CREATE TABLE shared (id uuid NOT NULL, PRIMARY KEY (id));
            CREATE TABLE late (
                id uuid NOT NULL,
                user_id uuid NOT NULL,
                CONSTRAINT late_pkey PRIMARY KEY (id, user_id)
            );
            CREATE TABLE keyless (user_id uuid NOT NULL);
            """
        #expect(
            places(MigrationRules.userFirst, ["Migrations/0001_a.sql": text])
                == ["Migrations/0001_a.sql:12", "Migrations/0001_a.sql:7"])
    }

    @Test("Comments and strings are told from code, nested and raw ones too")
    func sources() {
        let text = ##"""
            let a = "x \(f("y // z")) w" // "comment"
            /* outer /* inner */ still "out" */ let b = #"raw " \( no"#
            let c = """
                "quoted" \(d)
                """
            let e = "\\" + "end"
            """##
        let source = SwiftSource(text)
        #expect(
            source.code.split(separator: "\n", omittingEmptySubsequences: false).count
                == text.split(separator: "\n", omittingEmptySubsequences: false).count)
        #expect(source.literals.map(\.line) == [1, 1, 2, 3, 6, 6])
        #expect(!source.code.contains("comment") && !source.code.contains("out") && !source.code.contains("raw"))
        #expect(source.code.contains("let b") && source.code.contains("f(") && source.code.contains("(d)"))
        #expect(source.literals.last?.text == "end")
    }

    @Test("A rule in a migration, a table among rules, and what is replaced are found")
    func rulesApart() {
        let found = places(
            MigrationRules.rulesApart,
            [
                "Migrations/0001_a.sql": "CREATE TABLE a (n bigint);\nCREATE FUNCTION decide() RETURNS void;\n",
                "Migrations/0002_b.sql": "-- CREATE VIEW v\nCREATE FUNCTION wire_time(t timestamptz) RETURNS text;\n",
                "Modules/Market/Storage/market.sql":
                    "CREATE FUNCTION decide() RETURNS void;\nCREATE INDEX i ON a (n);\n",
                "Modules/Focus/Storage/focus.sql": "CREATE OR REPLACE FUNCTION decide() RETURNS void;\n",
            ])
        #expect(
            found == [
                "Migrations/0001_a.sql:2", "Modules/Focus/Storage/focus.sql:1", "Modules/Market/Storage/market.sql:2",
            ])
    }
}
