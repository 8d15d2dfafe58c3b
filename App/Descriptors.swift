import Foundation
import NIOCore

/// How many files and connections this process may have open.
enum Descriptors {
    /// Raises the limit to what the system allows: a shell's is often 1,024, and every socket takes one. A process that has
    /// none left is ended by its runtime, which cannot even look at its own threads then. Returns the limit in force.
    @discardableResult
    static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1_024 }
        // More than this nobody needs, and some systems' hard limit is without end.
        let wanted = min(limit.rlim_max, 1 << 20)
        if limit.rlim_cur < wanted {
            var raised = limit
            raised.rlim_cur = wanted
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: min(limit.rlim_cur, 1 << 20))
    }

    /// How many connections of clients leave room for everything else: the database's connections, twice, because one that
    /// is being replaced may still be there; the event loops; files, logs, and what the runtime opens for a moment.
    static func connections(within limit: Int, databaseConnections: Int) throws -> Int {
        let reserve = 48 + 2 * databaseConnections + 4 * System.coreCount
        guard limit >= reserve + 32 else {
            throw StartFailure(
                description:
                    "only \(limit) files may be open, and \(reserve + 32) are needed at least; raise the "
                    + "limit (`ulimit -n 65536`, LimitNOFILE= in a systemd unit), or lower LOCKSTEP_DATABASE_CONNECTIONS"
            )
        }
        return limit - reserve
    }

    private static var resource: __rlimit_resource_t { __rlimit_resource_t(RLIMIT_NOFILE.rawValue) }
}
