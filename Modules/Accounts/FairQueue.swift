/// What waits, each piece on behalf of somebody, handed out by turns: who brings many waits behind themselves and not before
/// others. Somebody is a path, such as a site, its network and a device there: turns are taken at every step of it, so who
/// is many at the last step is still one at the first.
struct FairQueue<Element> {
    private let capacity: Int
    private var all = Branch()

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { all.count }

    /// Puts an element in line. When there is no room somebody has to go: the last one of whoever has most in line, or the
    /// newcomer themselves where they would have as many.
    /// - Returns: who goes.
    mutating func add(_ element: Element, for path: [String]) -> Element? {
        all.add(element, at: path[...])
        return count > capacity ? all.removeLast(favouring: path[...]) : nil
    }

    /// The next one, by turns.
    mutating func next() -> Element? { all.next() }

    private struct Branch {
        private(set) var count = 0
        /// In the order of their turns; none is empty.
        private var branches: [(key: String, branch: Branch)] = []
        /// Of whom no further step tells apart.
        private var elements: [Element] = []

        mutating func add(_ element: Element, at path: ArraySlice<String>) {
            count += 1
            guard let key = path.first else { return elements.append(element) }
            let index = branches.firstIndex { $0.key == key } ?? branches.endIndex
            if index == branches.endIndex { branches.append((key, Branch())) }
            branches[index].branch.add(element, at: path.dropFirst())
        }

        /// - Parameter path: whose goes, of those that have as much.
        mutating func removeLast(favouring path: ArraySlice<String>) -> Element? {
            guard let most = branches.map(\.branch.count).max() else {
                count -= elements.isEmpty ? 0 : 1
                return elements.popLast()
            }
            let largest = branches.indices.filter { branches[$0].branch.count == most }
            let own = largest.first { branches[$0].key == path.first }
            guard let index = own ?? largest.last else { return nil }
            let element = branches[index].branch.removeLast(favouring: own == nil ? [] : path.dropFirst())
            if branches[index].branch.count == 0 { branches.remove(at: index) }
            count -= 1
            return element
        }

        mutating func next() -> Element? {
            guard count > 0 else { return nil }
            count -= 1
            guard !branches.isEmpty else { return elements.removeFirst() }
            var (key, branch) = branches.removeFirst()
            let element = branch.next()
            if branch.count > 0 { branches.append((key, branch)) }
            return element
        }
    }
}
