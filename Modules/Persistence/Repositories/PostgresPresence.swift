package import FoundationEssentials
package import Sync

/// Which devices hold sockets, at which process, in `device_presence`.
package struct PostgresPresence: PresenceRepository {
    private let database: Database

    package init(database: Database) {
        self.database = database
    }

    package func mark(online: [DeviceKey], offline: [DeviceKey], process: UUID) async throws {
        _ = try await database.answering {
            try await $0.write(
                for: process,
                """
                WITH gone AS (
                    DELETE FROM device_presence p
                    USING unnest(\(offline.map(\.user)), \(offline.map(\.device))) AS o (user_id, device_id)
                    WHERE p.user_id = o.user_id AND p.device_id = o.device_id AND p.process_id = \(process)
                ), seen AS (
                    UPDATE devices d SET last_seen_at = clock_timestamp()
                    FROM unnest(\(offline.map(\.user)), \(offline.map(\.device))) AS o (user_id, device_id)
                    WHERE d.user_id = o.user_id AND d.id = o.device_id
                )
                INSERT INTO device_presence (user_id, device_id, process_id)
                SELECT o.user_id, o.device_id, \(process)
                FROM unnest(\(online.map(\.user)), \(online.map(\.device))) AS o (user_id, device_id)
                JOIN devices d ON d.user_id = o.user_id AND d.id = o.device_id
                ON CONFLICT ON CONSTRAINT device_presence_pkey DO UPDATE SET seen_at = clock_timestamp()
                """)
        }
    }

    package func refresh(online: [DeviceKey], process: UUID) async throws -> [UUID] {
        let rows = try await database.answering {
            try await $0.write(
                for: process,
                """
                WITH mine AS (
                    INSERT INTO device_presence (user_id, device_id, process_id)
                    SELECT o.user_id, o.device_id, \(process)
                    FROM unnest(\(online.map(\.user)), \(online.map(\.device))) AS o (user_id, device_id)
                    JOIN devices d ON d.user_id = o.user_id AND d.id = o.device_id
                    ON CONFLICT ON CONSTRAINT device_presence_pkey DO UPDATE SET seen_at = clock_timestamp()
                    RETURNING user_id, xmax = 0 AS is_new
                ), dead AS (
                    DELETE FROM device_presence
                    WHERE process_id <> \(process) AND seen_at <= clock_timestamp() - interval '90 seconds'
                    RETURNING user_id
                )
                SELECT user_id FROM mine WHERE is_new UNION SELECT user_id FROM dead
                """)
        }
        return try rows.map { try $0.decode("user_id") }
    }

    package func devices(of users: [UUID]) async throws -> [UUID: [PresentDevice]] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT d.user_id, d.id, d.name, d.kind, EXISTS (
                    SELECT FROM device_presence p WHERE p.user_id = d.user_id AND p.device_id = d.id
                    AND p.seen_at > clock_timestamp() - interval '90 seconds') AS online
                FROM devices d WHERE d.user_id = ANY (\(users)) ORDER BY d.created_at, d.id
                """)
        }
        var devices: [UUID: [PresentDevice]] = [:]
        for row in rows {
            devices[try row.decode("user_id"), default: []].append(
                PresentDevice(
                    id: try row.decode("id"), name: try row.decode("name"), kind: try row.decode("kind"),
                    online: try row.decode("online")))
        }
        return devices
    }

    package func leave(process: UUID) async throws {
        _ = try await database.answering {
            try await $0.write(
                for: process,
                """
                WITH gone AS (
                    DELETE FROM device_presence WHERE process_id = \(process) RETURNING user_id, device_id
                )
                UPDATE devices d SET last_seen_at = clock_timestamp() FROM gone g
                WHERE d.user_id = g.user_id AND d.id = g.device_id
                """)
        }
    }
}
