package import FoundationEssentials
package import Persistence
package import Sync

/// Which devices hold sockets, at which process, in `device_presence`. In pieces: a process may have as many sockets as it has
/// descriptors, and a statement gets 4 s.
package struct PostgresPresence: PresenceRepository {
    private let database: Database
    private let rowsAtOnce: Int

    package init(database: Database, rowsAtOnce: Int = 1_000) {
        self.database = database
        self.rowsAtOnce = rowsAtOnce
    }

    package func mark(online: [DeviceKey], offline: [DeviceKey], process: UUID) async throws {
        for piece in online.divided(by: rowsAtOnce) { _ = try await insert(piece, process) }
        for piece in offline.divided(by: rowsAtOnce) {
            _ = try await write(
                """
                WITH gone AS (
                    DELETE FROM device_presence p
                    USING unnest(\(piece.map(\.user)), \(piece.map(\.device))) AS o (user_id, device_id)
                    WHERE p.user_id = o.user_id AND p.device_id = o.device_id AND p.process_id = \(process)
                )
                UPDATE devices d SET last_seen_at = clock_timestamp()
                FROM unnest(\(piece.map(\.user)), \(piece.map(\.device))) AS o (user_id, device_id)
                WHERE d.user_id = o.user_id AND d.id = o.device_id
                """, process)
        }
    }

    package func refresh(online: [DeviceKey], process: UUID) async throws -> [UUID] {
        var changed: Set<UUID> = []
        for piece in online.divided(by: rowsAtOnce) {
            changed.formUnion(try await insert(piece, process))
        }
        var dead: Rows
        repeat {
            dead = try await write(
                """
                DELETE FROM device_presence WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM device_presence
                    WHERE process_id <> \(process) AND seen_at <= clock_timestamp() - interval '90 seconds'
                    LIMIT \(rowsAtOnce) FOR UPDATE SKIP LOCKED))
                RETURNING user_id
                """, process)
            changed.formUnion(try dead.map { try $0.decode("user_id", as: UUID.self) })
        } while dead.count == rowsAtOnce
        return Array(changed)
    }

    package func devices(of users: [UUID]) async throws -> [UUID: [PresentDevice]] {
        var devices: [UUID: [PresentDevice]] = [:]
        for piece in users.divided(by: rowsAtOnce) {
            let rows = try await database.answering {
                try await $0.read(
                    """
                    SELECT d.user_id, d.id, d.name, d.kind, EXISTS (
                        SELECT FROM device_presence p WHERE p.user_id = d.user_id AND p.device_id = d.id
                        AND p.seen_at > clock_timestamp() - interval '90 seconds') AS online
                    FROM devices d WHERE d.user_id = ANY (\(Array(piece))) ORDER BY d.created_at, d.id
                    """)
            }
            for row in rows {
                devices[try row.decode("user_id"), default: []].append(
                    PresentDevice(
                        id: try row.decode("id"), name: try row.decode("name"), kind: try row.decode("kind"),
                        online: try row.decode("online")))
            }
        }
        return devices
    }

    package func leave(process: UUID) async throws {
        var gone: Rows
        repeat {
            gone = try await write(
                """
                WITH gone AS (
                    DELETE FROM device_presence WHERE ctid = ANY (ARRAY(
                        SELECT ctid FROM device_presence WHERE process_id = \(process) LIMIT \(rowsAtOnce)))
                    RETURNING user_id, device_id
                ), seen AS (
                    UPDATE devices d SET last_seen_at = clock_timestamp() FROM gone g
                    WHERE d.user_id = g.user_id AND d.id = g.device_id
                )
                SELECT user_id FROM gone
                """, process)
        } while gone.count == rowsAtOnce
    }

    /// - Returns: the users to whom one of these is new.
    private func insert(_ online: ArraySlice<DeviceKey>, _ process: UUID) async throws -> [UUID] {
        try await write(
            """
            WITH mine AS (
                INSERT INTO device_presence (user_id, device_id, process_id)
                SELECT o.user_id, o.device_id, \(process)
                FROM unnest(\(online.map(\.user)), \(online.map(\.device))) AS o (user_id, device_id)
                JOIN devices d ON d.user_id = o.user_id AND d.id = o.device_id
                ON CONFLICT ON CONSTRAINT device_presence_pkey DO UPDATE SET seen_at = clock_timestamp()
                RETURNING user_id, xmax = 0 AS is_new
            )
            SELECT DISTINCT user_id FROM mine WHERE is_new
            """, process
        ).map { try $0.decode("user_id") }
    }

    private func write(_ statement: SQL, _ process: UUID) async throws -> Rows {
        try await database.answering { try await $0.write(for: process, statement) }
    }
}

extension Array {
    fileprivate func divided(by size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
