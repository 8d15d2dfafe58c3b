import Testing

extension FixtureTests {
    @Test("A function of the database of 51 lines is found, and one of 50 is not")
    func functionSizes() {
        func function(_ name: String, _ lines: Int) -> String {
            "CREATE FUNCTION \(name)() RETURNS void LANGUAGE sql AS $$\n"
                + String(repeating: "    SELECT 1;\n", count: lines - 2) + "$$;\n"
        }
        let found = places(
            SQLRules.sizes, ["Modules/Focus/Storage/focus.sql": function("fits", 50) + "\n" + function("long", 51)])
        #expect(found == ["Modules/Focus/Storage/focus.sql:52"])
    }

    @Test(
        "SQL, in Swift too, that names another feature's table or a function that it keeps to itself is found, and a table of nobody's"
    )
    func ownTables() {
        let found = places(
            SQLRules.ownTables,
            [
                "Modules/Market/Storage/market.sql": """
                CREATE FUNCTION market_one() RETURNS void LANGUAGE sql AS $$
                    SELECT 'FROM focus_sessions' FROM user_wallet JOIN sync_heads; -- FROM focus_sessions
                    SELECT focus_completed_days(1) FROM focus_sessions;
                    SELECT focus_own(1);
                $$;
                """,
                "Modules/Focus/Storage/focus.sql": """
                CREATE FUNCTION focus_completed_days() RETURNS void LANGUAGE sql AS 'SELECT market_one()';
                CREATE FUNCTION focus_own() RETURNS void LANGUAGE sql AS 'UPDATE focus_sessions';
                CREATE VIEW focus_documents AS SELECT market_one() FROM market_items;
                """,
                "Modules/Market/Storage/PostgresMarket.swift": """
                let one: SQL = "SELECT id FROM market_items"
                let two: SQL = \"""
                    SELECT id FROM user_wallet
                    JOIN focus_sessions USING (user_id) WHERE focus_completed_days(1) > 1
                    \"""
                """,
                "Migrations/0001_a.sql": "CREATE TABLE orphans (id uuid);\nCREATE TABLE users (id uuid);\n",
                "Migrations/0002_habits.sql": "CREATE TABLE habits (id uuid);\n",
                "Modules/Habits/Storage/habits.sql": """
                CREATE FUNCTION habits_one() RETURNS void LANGUAGE sql AS $$ SELECT FROM habits $$;
                CREATE FUNCTION habits_two() RETURNS void LANGUAGE sql AS $$ SELECT FROM users $$;
                """,
                "Modules/Sync/Storage/sync.sql": "SELECT FROM habits;",
            ])
        #expect(
            found == [
                "Migrations/0001_a.sql:1", "Modules/Focus/Storage/focus.sql:3", "Modules/Habits/Storage/habits.sql:2",
                "Modules/Market/Storage/PostgresMarket.swift:4", "Modules/Market/Storage/market.sql:3",
                "Modules/Market/Storage/market.sql:4", "Modules/Sync/Storage/sync.sql:1",
            ])
    }

    @Test("What is offered and named by no other room is found; not what a protocol or a document asks for")
    func symbols() {
        let found = places(
            SymbolRules.unnamed,
            [
                "Modules/API/A.swift": """
                package protocol Measured {
                    var length: Int { get }
                }
                package struct A: Measured {
                    package let used: Int
                    package var length: Int { 1 }
                    package static func unused() -> Int { 2 }
                    package let saidOnly: Int
                    func own() {}
                }
                """,
                "Modules/API/B.swift": "package struct B: Model {\n    package let read: Int\n}\n",
                "Modules/Sync/C.swift": "print(\"\\(a.used)\") // unused\n",
                "Tests/APITests/D.swift": "#expect(a.saidOnly == 1)\n",
            ])
        #expect(found == ["Modules/API/A.swift:7"])
    }

    @Test("A file or a symbol that ARCHITECTURE.md names and that is not there is found")
    func architecture() {
        let found = places(
            DocumentRules.architecture,
            [
                "ARCHITECTURE.md": "`here` in `Modules/A.swift`\n`there` in `Modules/A.swift`\n`Modules/B.sql`\n"
                    + "`gone` of `A` in\n`Modules/A.swift`, `Modules/*/C.swift`, `a/b`\n",
                "Modules/A.swift": "func here() {}\n",
            ])
        #expect(found == ["ARCHITECTURE.md:2", "ARCHITECTURE.md:3", "ARCHITECTURE.md:4"])
    }
}
