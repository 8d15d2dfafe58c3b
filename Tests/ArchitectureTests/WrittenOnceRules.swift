/// What both sides must know, and each has to write down: the database decides by it, the server checks a request by it, a
/// device shows by it what will be decided. Here is every place where such a number stands; all of them say the same.
enum WrittenOnceRules {
    /// A number, or several that belong together, and where they stand.
    struct Rule: Sendable {
        let name: String
        let value: [Int]
        let places: [Place]
    }

    struct Place: Sendable {
        /// A file, or a folder in which some file says it.
        let path: String
        /// Its groups are the numbers; `_` and `,` in them are for the reader.
        let pattern: String
        /// nil: the rule's value; else the same in other units.
        var says: [Int]?
    }

    private static let openAPI = "Clients/Web/openapi.json"

    static let rules: [Rule] =
        [
            Rule(
                name: "how long a session is unless somebody says it", value: [1_500, 300, 900],
                places: [
                    Place(
                        path: "Modules/Focus/Storage/",
                        pattern: #"WHEN 'focus' THEN (\d+) WHEN 'break' THEN (\d+) ELSE (\d+)"#),
                    Place(
                        path: "Clients/Web/",
                        pattern: #"USUAL_SECONDS = \{ focus: ([\d_]+), break: ([\d_]+), long_break: ([\d_]+) \}"#),
                    Place(path: openAPI, pattern: #"is a length, else (\d+), (\d+) or (\d+)"#),
                ]),
            Rule(
                name: "the longest session", value: [14_400],
                places: [
                    Place(path: "Modules/Focus/", pattern: #"durations: ClosedRange<Int64> = 1\.\.\.([\d_]+)"#),
                    Place(path: "Modules/Focus/Storage/", pattern: #"duration_seconds', 1, (\d+)\)"#),
                    Place(path: "Migrations/", pattern: #"duration_seconds BETWEEN 1 AND (\d+)"#),
                    Place(path: "Clients/Web/", pattern: #"LONGEST_SECONDS = ([\d_]+)"#),
                    Place(path: "Clients/Web/guard/", pattern: #"left >= 1 && left <= ([\d_]+)"#),
                    Place(path: openAPI, pattern: #""duration_seconds": \{[^}]*"maximum": (\d+)"#),
                ]),
            Rule(
                name: "how many seconds before its end a session may be completed", value: [2],
                places: [
                    Place(path: "Modules/Focus/Storage/", pattern: #"remaining > (\d+) THEN"#),
                    Place(path: "Clients/Web/", pattern: #"EARLY_SECONDS = ([\d_]+)"#),
                    Place(path: "Tests/FocusTests/", pattern: #"tolerance: Int64 = ([\d_]+)"#, says: [2_000_000]),
                ]),
            Rule(
                name: "how many characters a task's title has", value: [200],
                places: [
                    Place(path: "Modules/Focus/", pattern: #"longestTitle = (\d+)"#),
                    Place(path: "Migrations/", pattern: #"char_length\(task_title\) <= (\d+)"#),
                    Place(path: openAPI, pattern: #""task_title": \{[^}]*"maxLength": (\d+)"#),
                ]),
            Rule(
                name: "how many coins how many seconds of focus earn", value: [10, 1_500],
                places: [
                    Place(path: "Modules/Focus/Storage/", pattern: #"duration_seconds \* (\d+) / (\d+)"#),
                    Place(path: "Tests/FocusTests/", pattern: #"durationSeconds \* (\d+) / ([\d_]+)"#),
                    Place(
                        path: "Clients/Web/",
                        pattern: #"COINS_PER_SESSION = (\d+);\s*const SECONDS_PER_SESSION = ([\d_]+)"#),
                    Place(path: "docs/guides/", pattern: #"pays (\d+) coins for (\d+) minutes"#, says: [10, 25]),
                ]),
        ] + rewards + market + settings

    private static let rewards: [Rule] = [
        ("first_focus", 10), ("focus_10", 25), ("focus_100", 100), ("streak_7", 50), ("daily_login", 2),
        ("first_purchase", 5),
    ].map { name, coins in
        Rule(
            name: "what the reward \(name) is worth", value: [coins],
            places: [
                Place(
                    path: "Modules/Market/Storage/",
                    pattern: #"(?:reward_grant\(\s*(?:p_user|m\.user_id), |\()'\#(name)', (\d+),"#),
                Place(path: "Modules/Market/Storage/", pattern: #"\('\#(name)', (\d+)\)"#),
                Place(path: openAPI, pattern: #"`\#(name)` (\d+)"#),
            ])
    }

    private static let market: [Rule] = [
        Rule(
            name: "the most coins there are", value: [9_007_199_254_740_991],
            places: [
                Place(path: "Modules/Market/", pattern: #"static let most: Int64 = ([\d_]+)"#),
                Place(path: "Modules/Market/Storage/", pattern: #"earned_coins > (\d+) - e\.coins"#),
                Place(path: "Migrations/0017_market_extended.sql", pattern: #"\bAND -?(\d{16})"#),
                Place(path: openAPI, pattern: #""cost_coins": \{[^}]*"maximum": (\d+)"#),
                Place(path: openAPI, pattern: #""total_coins": \{[^}]*"maximum": (\d+)"#),
            ]),
        Rule(
            name: "the most pieces that one order is about", value: [99],
            places: [
                Place(path: "Modules/Market/", pattern: #"pieces: ClosedRange<Int64> = 1\.\.\.(\d+)"#),
                Place(path: openAPI, pattern: #""quantity": \{[^}]*"maximum": (\d+)"#),
                Place(path: "Clients/Web/", pattern: #"MOST_PIECES = (\d+)"#),
            ]),
        Rule(
            name: "for how many hours a purchase can be refunded", value: [24],
            places: [
                Place(
                    path: "Modules/Market/Storage/", pattern: #"purchased_at > at - interval '(\d+) hours'"#),
                Place(path: "Modules/Market/MarketRefusal.swift", pattern: #"within (\d+) hours"#),
                Place(path: "Clients/Web/", pattern: #"REFUND_MS = (\d+) \* 3_600_000"#),
                Place(path: openAPI, pattern: #"within (\d+) hours, nothing"#),
            ]),
        Rule(
            name: "how many items of their own a user has", value: [1_000],
            places: [
                Place(path: "Modules/Market/Market.swift", pattern: #"static let most = ([\d_]+)"#),
                Place(path: "Modules/Market/Storage/", pattern: #"\blive >= (\d+)"#),
            ]),
    ]

    private static let settings: [Rule] = [
        Rule(
            name: "how many settings a user has", value: [1_000],
            places: [
                Place(path: "Modules/Settings/", pattern: #"static let most = ([\d_]+)"#),
                Place(path: "Modules/Settings/Storage/", pattern: #"live \+ p_added > (\d+)"#),
            ]),
        Rule(
            name: "how many bytes a setting's value takes", value: [16_384],
            places: [
                Place(path: "Modules/Settings/", pattern: #"largestValue = ([\d_]+)"#),
                Place(path: "Migrations/", pattern: #"octet_length\(value::text\) <= (\d+)"#),
                Place(path: openAPI, pattern: #"at most (\d+) KiB in canonical form"#, says: [16]),
            ]),
        Rule(
            name: "how many mutations a push has", value: [500],
            places: [
                Place(path: "Modules/Sync/Push.swift", pattern: #"static let most = ([\d_]+)"#),
                Place(path: openAPI, pattern: #""maxItems": (\d{3})"#),
                Place(path: "Clients/Web/sync/", pattern: #"_LIMIT = \{[^}]*count: (\d+) \}"#),
            ]),
    ]

    static func places(_ tree: SourceTree, rules: [Rule] = rules) -> [Violation] {
        rules.flatMap { rule in rule.places.flatMap { check($0, of: rule, in: tree) } }
    }

    private static func check(_ place: Place, of rule: Rule, in tree: SourceTree) -> [Violation] {
        let value = place.says ?? rule.value
        let pattern = Pattern(place.pattern)
        let found = tree.files.filter { $0.path.hasPrefix(place.path) }.flatMap { file in
            pattern.matches(in: file.text).map { (file, $0.line, numbers($0.groups.dropFirst())) }
        }
        guard !found.isEmpty else {
            return [Violation(path: place.path, line: 1, reason: "no longer says \(rule.name)")]
        }
        return found.filter { $0.2 != value }.map { file, line, numbers in
            Violation(path: file.path, line: line, reason: "\(rule.name) is \(value), not \(numbers)")
        }
    }

    /// How many of its things a user may have, as scripts/new-feature has a feature say it: in Swift, in SQL and to the web client.
    static func limits(_ tree: SourceTree) -> [Violation] {
        tree.modules.sorted().flatMap { module -> [Violation] in
            let said = [
                ("Modules/\(module)/", Pattern(#"package static let most = ([\d_]+)"#)),
                ("Modules/\(module)/Storage/", Pattern(#"\brows >= (\d+) THEN"#)),
                ("Clients/Web/features/\(module.lowercased()).js", Pattern(#"const MOST = ([\d_]+)"#)),
            ].flatMap { place, pattern in
                tree.files.filter { $0.path.hasPrefix(place) }.flatMap { file in
                    pattern.matches(in: file.text).map { (file, $0.line, numbers($0.groups.dropFirst())) }
                }
            }
            guard let most = said.first?.2 else { return [] }
            return said.filter { $0.2 != most }.map { file, line, numbers in
                Violation(
                    path: file.path, line: line, reason: "\(module) has \(most) at most elsewhere, not \(numbers)")
            }
        }
    }

    private static func numbers(_ groups: ArraySlice<String>) -> [Int] {
        groups.map { group in Int(group.filter(\.isNumber)) ?? -1 }
    }
}
