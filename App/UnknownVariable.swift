import Foundation

/// A variable of the environment that is called like a setting and is none. It stops nothing, because an older binary
/// meets the settings of a newer one when a release is rolled back; but it is said, because whoever misspells a limit
/// believes that it holds.
struct UnknownVariable: Sendable {
    let name: String
    /// The setting that was meant, where one is spelled nearly so.
    let nearest: String?

    var sentence: String {
        "\(name) is set, and is no setting" + (nearest.map { "; \($0) is one" } ?? "")
    }

    /// Those of this process, sorted.
    /// - Parameter settings: the names that are settings.
    static func all(besides settings: [String]) -> [UnknownVariable] {
        ProcessInfo.processInfo.environment.keys
            .filter { $0.hasPrefix("LOCKSTEP_") && !settings.contains($0) && !ours.contains($0) }
            .sorted()
            .prefix(20)
            .map { name in UnknownVariable(name: name, nearest: nearest(to: name, among: settings)) }
    }

    /// What the tests and load tools set for themselves.
    private static let ours: Set = [
        "LOCKSTEP_BINARY", "LOCKSTEP_TEST_DATABASE_URL", "LOCKSTEP_SCHEDULES", "LOCKSTEP_LONG",
    ]

    private static func nearest(to name: String, among settings: [String]) -> String? {
        let distances = settings.map {
            (setting: $0, edits: edits(from: Array(name.utf8.prefix(64)), to: Array($0.utf8)))
        }
        return distances.min { $0.edits < $1.edits }.flatMap { $0.edits <= 3 ? $0.setting : nil }
    }

    /// How many characters must be added, taken out or changed (Levenshtein).
    private static func edits(from one: [UInt8], to other: [UInt8]) -> Int {
        var last = Array(0...other.count)
        for (row, byte) in one.enumerated() {
            var line = [row + 1]
            for (column, wanted) in other.enumerated() {
                line.append(min(line[column] + 1, last[column + 1] + 1, last[column] + (byte == wanted ? 0 : 1)))
            }
            last = line
        }
        return last[other.count]
    }
}
