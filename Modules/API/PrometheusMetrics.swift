package import Metrics
import Synchronization

/// Keeps what the code counts and prints it in Prometheus's text format. The usual library for that is not among the
/// packages that the project may use; counters, gauges and sums of durations are all that is asked of it.
package final class PrometheusMetrics: MetricsFactory {
    private struct Series: Hashable {
        let name: String
        let labels: String

        var braces: String { labels.isEmpty ? "" : "{\(labels)}" }
    }

    private struct State {
        var counters: [Series: Cell] = [:]
        var gauges: [Series: Cell] = [:]
        var summaries: [Series: Cell] = [:]
    }

    /// One number, and how often it was added to.
    final class Cell: CounterHandler, RecorderHandler, TimerHandler, MeterHandler {
        private let value = Mutex((sum: 0.0, count: 0))
        private let aggregates: Bool

        init(aggregates: Bool) { self.aggregates = aggregates }

        var current: (sum: Double, count: Int) { value.withLock { $0 } }

        func increment(by amount: Int64) { add(Double(amount)) }
        func reset() { value.withLock { $0 = (0, 0) } }
        func record(_ number: Int64) { record(Double(number)) }
        func record(_ number: Double) { aggregates ? add(number) : set(number) }
        func recordNanoseconds(_ duration: Int64) { add(Double(duration) / 1e9) }
        func set(_ number: Int64) { set(Double(number)) }
        func set(_ number: Double) { value.withLock { $0 = (number, 1) } }
        func increment(by amount: Double) { add(amount) }
        func decrement(by amount: Double) { add(-amount) }

        private func add(_ number: Double) {
            value.withLock { $0 = ($0.sum + number, $0.count + 1) }
        }
    }

    private let state = Mutex(State())

    package static func install() -> PrometheusMetrics {
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(label, dimensions, \.counters, aggregates: true)
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? cell(label, dimensions, \.summaries, aggregates: true)
            : cell(label, dimensions, \.gauges, aggregates: false)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        cell(label, dimensions, \.gauges, aggregates: false)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        cell(label + "_seconds", dimensions, \.summaries, aggregates: true)
    }

    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    private func cell(
        _ label: String, _ dimensions: [(String, String)], _ kind: WritableKeyPath<State, [Series: Cell]>,
        aggregates: Bool
    ) -> Cell {
        let name = String(label.map { $0.isLetter || $0.isNumber ? $0 : "_" })
        let labels = dimensions.map {
            "\($0.0)=\"\($0.1.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
        }
        .joined(separator: ",")
        let series = Series(name: name, labels: labels)
        // Key paths are not Sendable; the lock's closure runs here and now.
        nonisolated(unsafe) let kind = kind
        return state.withLock { state in
            if let known = state[keyPath: kind][series] { return known }
            let made = Cell(aggregates: aggregates)
            state[keyPath: kind][series] = made
            return made
        }
    }

    /// The page that Prometheus reads.
    /// - Parameter extra: gauges that are asked for at this moment.
    package func text(extra: [(name: String, value: Double)]) -> String {
        let (counters, gauges, summaries) = state.withLock { ($0.counters, $0.gauges, $0.summaries) }
        var lines: [String] = []
        for (name, value) in extra { lines += ["# TYPE \(name) gauge", "\(name) \(value)"] }
        lines += Self.lines(counters, "counter") { series, cell in ["\(series.name)_total\(series.braces) \(cell.sum)"]
        }
        lines += Self.lines(gauges, "gauge") { series, cell in ["\(series.name)\(series.braces) \(cell.sum)"] }
        lines += Self.lines(summaries, "summary") { series, cell in
            ["\(series.name)_sum\(series.braces) \(cell.sum)", "\(series.name)_count\(series.braces) \(cell.count)"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(
        _ cells: [Series: Cell], _ type: String, _ write: (Series, (sum: Double, count: Int)) -> [String]
    ) -> [String] {
        let suffix = type == "counter" ? "_total" : ""
        var lines: [String] = []
        var last = ""
        for (series, cell) in cells.sorted(by: { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }) {
            if series.name != last { lines.append("# TYPE \(series.name)\(suffix) \(type)") }
            last = series.name
            lines += write(series, cell.current)
        }
        return lines
    }
}
