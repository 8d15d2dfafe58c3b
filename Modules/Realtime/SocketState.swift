import FoundationEssentials
import NIOCore
import Sync

/// Where one socket's client stands and what it is to be sent next. Pure: every method returns what the shell has to do.
///
/// Nothing is queued for a client that cannot take it: it stays at its cursor, and when it can be written to again it gets
/// one merged `changes` read from the database. The only things kept are the results of its one push under way, and of
/// changes that it has not seen their mutations' ids.
struct SocketState {
    enum Action {
        /// One change, as it was committed: the frame is the same for all who stand at `from`.
        case deliver(Change, from: Cursor)
        /// Read what is new since here (nil: everything) and call `pulled`.
        case pull(since: Cursor?)
        /// The same after a moment: a change that was committed earlier may only be arriving later.
        case pullSoon
        case sendResults(ByteBuffer)
        /// What they say can no longer be vouched for.
        case loseResults
    }

    /// How many changes that came out of order, and how many ids, are kept.
    private static let mostAhead = 16
    private static let mostIDs = 500

    /// nil until the first `changes` has been sent.
    private(set) var cursor: Cursor?
    private var asked: Cursor?
    private(set) var isPulling = false
    private var isWritable = true
    /// What has been announced since the last pull began: beyond `cursor`, there is something to read.
    private var known = Place(user: 0, shared: 0)
    /// The same when it began.
    private var sought = Place(user: 0, shared: 0)
    /// The client moved while a pull was under way: what it brings does not fit.
    private var discardsPull = false
    private var waitsForEarlier = false
    private var ahead: [Change] = []
    private var unseen: [(version: Version, ids: [UUID])] = []
    private var results: (head: Version, epoch: String?, frame: ByteBuffer)?
    /// The pull under way was begun when the results were here: it sees what they did, or the database is another one.
    private var pullCoversResults = false
    /// Whether results of the push wait for the changes that carry their effects, or for the client.
    var holdsResults: Bool { results != nil }

    /// Whether there is something of the user's own to be read, and not only of what all share.
    var isForOwn: Bool {
        guard let cursor, !discardsPull else { return true }
        return results != nil || sought.user > cursor.place.user || known.user > cursor.place.user
    }

    /// Whether what a pull brings will be sent.
    var isWanted: Bool { !discardsPull }

    /// The client says where it stands; nil: nowhere.
    mutating func begin(at cursor: Cursor?) -> [Action] {
        asked = cursor
        isPulling = true
        return [.pull(since: cursor)]
    }

    /// The client stands somewhere else than we thought.
    mutating func resync(to cursor: Cursor?) -> [Action] {
        asked = cursor
        self.cursor = nil
        discardsPull = isPulling
        return next()
    }

    /// The database is another one: what was announced means nothing, and the cursor will be answered by a reset.
    mutating func restored() -> [Action] {
        known = Place(user: 0, shared: 0)
        ahead = []
        unseen = []
        waitsForEarlier = false
        return resync(to: cursor ?? asked)
    }

    /// A change of this user was committed by this process.
    mutating func changed(_ change: Change) -> [Action] {
        guard let cursor, isWritable, !isPulling else {
            remember(change)
            known.user = max(known.user, change.version)
            return []
        }
        guard change.version > cursor.place.user else { return [] }
        guard change.previous == cursor.place.user else {
            remember(change)
            if ahead.count < Self.mostAhead { ahead.append(change) }
            guard !waitsForEarlier else { return [] }
            waitsForEarlier = true
            return [.pullSoon]
        }
        var actions = [advance(by: change, from: cursor)]
        while let index = ahead.firstIndex(where: { $0.previous == self.cursor?.place.user }), let here = self.cursor {
            actions.append(advance(by: ahead.remove(at: index), from: here))
        }
        ahead.removeAll { $0.version <= self.cursor?.place.user ?? 0 }
        if ahead.isEmpty { waitsForEarlier = false }
        return actions + released() + next()
    }

    /// What all share went from `previous` to `version`. Returns the client's step when it is sent that; nil: it reads for itself
    /// what it does not have.
    mutating func changed(
        sharedFrom previous: Version, to version: Version
    ) -> (step: (from: Cursor, to: Cursor)?, actions: [Action]) {
        guard let cursor, isWritable, !isPulling, cursor.place.shared == previous else {
            return (nil, hinted(shared: version))
        }
        let next = Cursor(epoch: cursor.epoch, place: Place(user: cursor.place.user, shared: version))
        self.cursor = next
        return ((cursor, next), [])
    }

    private mutating func advance(by change: Change, from cursor: Cursor) -> Action {
        unseen.removeAll { $0.version <= change.version }
        self.cursor = Cursor(
            epoch: cursor.epoch, place: Place(user: change.version, shared: cursor.place.shared))
        return .deliver(change, from: cursor)
    }

    private mutating func remember(_ change: Change) {
        guard unseen.count < Self.mostIDs else { return }
        unseen.append((change.version, change.mutationIDs))
    }

    /// The pause after `pullSoon` is over.
    mutating func waited() -> [Action] {
        guard waitsForEarlier else { return [] }
        waitsForEarlier = false
        known.user = max(known.user, ahead.map(\.version).max() ?? 0)
        ahead = []
        return next()
    }

    /// The heads are at least here, another process or the comparison of heads says.
    mutating func hinted(user: Version = 0, shared: Version = 0) -> [Action] {
        known = Place(user: max(known.user, user), shared: max(known.shared, shared))
        return next()
    }

    /// A pull that waited its turn begins now: whatever happened meanwhile, it sees. Returns from where to read.
    mutating func pullBegins() -> Cursor? {
        discardsPull = false
        known = Place(user: 0, shared: 0)
        pullCoversResults = results != nil
        return cursor ?? asked
    }

    /// The mutations, known here, whose effect this carries.
    func ids(upTo pull: Pull) -> [UUID] {
        unseen.filter { $0.version <= pull.cursor.place.user }.flatMap(\.ids)
    }

    /// What `pull` read has come. Returns the ids of the mutations whose effect it carries; nil: it is not to be sent.
    mutating func pulled(_ pull: Pull) -> (ids: [UUID]?, actions: [Action]) {
        isPulling = false
        if discardsPull {
            discardsPull = false
            return (nil, next())
        }
        asked = nil
        cursor = pull.cursor
        let place = pull.cursor.place.user
        let ids = ids(upTo: pull)
        unseen.removeAll { $0.version <= place }
        ahead.removeAll { $0.version <= place }
        return (ids, lost() + released() + next())
    }

    /// The database could not be read; try again (the shell paused).
    mutating func pullFailed() -> [Action] {
        isPulling = false
        discardsPull = false
        asked = cursor ?? asked
        cursor = nil
        return next()
    }

    mutating func writability(_ writable: Bool) -> [Action] {
        isWritable = writable
        return writable ? released() + next() : []
    }

    /// The results of the client's push, to be sent behind the changes up to `head`.
    mutating func pushed(_ frame: ByteBuffer, head: Version) -> [Action] {
        results = (head, cursor?.epoch, frame)
        known.user = max(known.user, head)
        return released() + next()
    }

    private mutating func released() -> [Action] {
        guard isWritable, let cursor, let results, cursor.place.user >= results.head else { return [] }
        self.results = nil
        return [.sendResults(results.frame)]
    }

    /// A head that a pull begun behind the results does not reach is one of another database, to which it was restored. Its
    /// client must not wait for ever, nor believe that what it did is kept.
    private mutating func lost() -> [Action] {
        guard pullCoversResults, let cursor, let results, results.head > 0,
            cursor.place.user < results.head || results.epoch.map({ $0 != cursor.epoch }) ?? false
        else { return [] }
        self.results = nil
        return [.loseResults]
    }

    private mutating func next() -> [Action] {
        guard isWritable, !isPulling, !waitsForEarlier else { return [] }
        if let cursor, !cursor.place.isBehind(known) { return [] }
        isPulling = true
        pullCoversResults = results != nil
        sought = known
        known = Place(user: 0, shared: 0)
        return [.pull(since: cursor ?? asked)]
    }
}
