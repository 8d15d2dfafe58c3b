package import API
package import FoundationEssentials
package import Persistence
package import Sync

/// Focus in `focus_sessions` and `focus_pause_state`; what decides are the functions of focus.sql, one round trip each.
package struct PostgresFocus: FocusRepository {
    private let database: Database
    private let sync: PostgresSync
    private let expirySeconds: Int

    /// - Parameter expirySeconds: how long a session may be paused.
    package init(database: Database, sync: PostgresSync, expirySeconds: Int) {
        self.database = database
        self.sync = sync
        self.expirySeconds = expirySeconds
    }

    package func live(of user: UUID) async throws -> LiveSession {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT clock.now AS time, coalesce(d.version, 0) AS version, s.id, s.ends_at, p.is_paused, p.paused_at,
                    p.resumed_at, focus_body(s.user_id, s.id, clock.now) AS session,
                    coalesce(s.ends_at <= clock.now OR (s.status = 'paused'
                        AND p.paused_at <= clock.now - make_interval(secs => \(expirySeconds)::integer)), false) AS due,
                    CASE s.status WHEN 'active' THEN greatest(0, ceil(extract(epoch FROM s.ends_at - clock.now)))::bigint
                        ELSE ceil(s.remaining_seconds)::bigint END AS remaining
                FROM sync_heads h CROSS JOIN (SELECT clock_timestamp() AS now) clock
                LEFT JOIN focus_documents d ON d.user_id = h.user_id
                LEFT JOIN focus_sessions s ON s.user_id = h.user_id AND s.status IN ('active', 'paused')
                LEFT JOIN focus_pause_state p ON p.user_id = s.user_id AND p.session_id = s.id
                WHERE h.user_id = \(user)
                """)
        }
        guard let row = rows.first else { throw Problem.unauthenticated }
        let paused = try row.decode("is_paused", as: Bool?.self) ?? false
        return LiveSession(
            session: try row.decode("session", as: RawJSON?.self), isDue: try row.decode("due"),
            pause: PauseState(
                isPaused: paused, sessionID: try row.decode("id", as: UUID?.self),
                pausedAt: try row.decode("paused_at", as: Timestamp?.self),
                resumedAt: try row.decode("resumed_at", as: Timestamp?.self),
                remainingSeconds: try row.decode("remaining", as: Int64?.self), version: try row.decode("version")),
            time: try row.decode("time"))
    }

    package func sessions(
        of user: UUID, before: UUID?, limit: Int
    ) async throws -> [(id: UUID, session: RawJSON)] {
        let rows = try await database.answering {
            try await $0.read(
                """
                SELECT s.id, focus_body(s.user_id, s.id, clock_timestamp()) AS session FROM focus_sessions s
                WHERE s.user_id = \(user) AND (\(before)::uuid IS NULL OR (s.started_at, s.id) < (
                    SELECT b.started_at, b.id FROM focus_sessions b WHERE b.user_id = \(user) AND b.id = \(before)))
                ORDER BY s.started_at DESC, s.id DESC LIMIT \(limit)
                """)
        }
        return try rows.map { (try $0.decode("id"), try $0.decode("session")) }
    }

    package func statistics(of user: UUID, days: Int, zone: TimeZoneName?) async throws -> FocusStatistics {
        do {
            return try await countDays(user, days, zone: zone?.text)
        } catch let error as DatabaseError where zone != nil && error.sqlState == "22023" {
            // PostgreSQL's list of zones may lack a name that ours has.
            throw FocusRefusal.unknownTimeZone
        }
    }

    private func countDays(_ user: UUID, _ days: Int, zone: String?) async throws -> FocusStatistics {
        let rows = try await database.answering {
            try await $0.read(
                """
                WITH zone AS (
                    SELECT coalesce(\(zone), user_zone(\(user))) AS name
                ), today AS (
                    SELECT (clock_timestamp() AT TIME ZONE zone.name)::date AS date FROM zone
                ), done AS (
                    SELECT (s.completed_at AT TIME ZONE zone.name)::date AS date, count(*) AS sessions,
                        sum(s.duration_seconds)::bigint AS seconds, sum(s.coins_awarded)::bigint AS coins
                    FROM focus_sessions s CROSS JOIN zone
                    WHERE s.user_id = \(user) AND s.status = 'completed' AND s.mode = 'focus' GROUP BY 1
                ), runs AS (
                    SELECT date, date - (row_number() OVER (ORDER BY date))::integer AS run FROM done
                ), streaks AS (
                    SELECT max(date) AS last, count(*) AS days FROM runs GROUP BY run
                )
                SELECT to_char(d.date, 'YYYY-MM-DD') AS date, coalesce(done.sessions, 0) AS sessions,
                    coalesce(done.seconds, 0) AS seconds, coalesce(done.coins, 0) AS coins,
                    coalesce((SELECT max(days) FROM streaks WHERE last >= today.date - 1), 0) AS streak,
                    coalesce((SELECT max(days) FROM streaks), 0) AS longest
                FROM today
                CROSS JOIN LATERAL generate_series(today.date - (\(days)::integer - 1), today.date, interval '1 day')
                    AS d (date)
                LEFT JOIN done ON done.date = d.date::date ORDER BY d.date
                """)
        }
        guard let first = rows.first else { throw Problem.internalError }
        return FocusStatistics(
            coinsAwarded: try rows.reduce(0) { $0 + (try $1.decode("coins")) },
            streakDays: try first.decode("streak"), longestStreakDays: try first.decode("longest"),
            perDay: try rows.map { row in
                .init(
                    date: try row.decode("date"), sessions: try row.decode("sessions"),
                    focusSeconds: try row.decode("seconds"))
            })
    }

    package func apply(_ signed: SignedMutation, _ change: FocusChange) async throws -> Applied {
        var args = change.args
        args["expiry_seconds"] = .int(expirySeconds)
        return try await sync.mutate(signed, RawJSON(.object(args)), refusal: { FocusRefusal(code: $0, $1)?.problem })
    }

    package func settle(_ user: UUID) async throws -> Applied? {
        let changes = try changes(
            in: try await database.answering {
                try await $0.write(
                    for: user,
                    """
                    SELECT d.user_id, d.collection, d.id, d.version, d.body
                    FROM focus_settle_one(\(user), \(expirySeconds)::integer) AS d
                    """)
            })
        return changes.first.map { Applied(outcome: Outcome(status: .applied, head: $0.version), change: $0) }
    }

    package func settle(_ users: [UUID]) async throws -> [Change] {
        guard let first = users.first else { return [] }
        return try changes(
            in: try await database.answering {
                try await $0.write(
                    for: first,
                    """
                    SELECT d.user_id, d.collection, d.id, d.version, d.body
                    FROM focus_settle(\(users), \(expirySeconds)::integer) AS d
                    """)
            })
    }

    /// Rows of the type `focus_consequence`: of each user one step of their sequence, by nobody's mutation.
    private func changes(in rows: Rows) throws -> [Change] {
        var documents: [UUID: [Document]] = [:]
        for row in rows {
            documents[try row.decode("user_id"), default: []].append(
                Document(
                    collection: try row.decode("collection"), id: try row.decode("id"),
                    value: try row.decode("body", as: RawJSON?.self), version: try row.decode("version")))
        }
        return documents.compactMap { user, documents in
            documents.first.map {
                Change(
                    user: user, previous: $0.version - 1, version: $0.version, documents: documents, mutationIDs: [])
            }
        }
    }

    package func due(limit: Int) async throws -> DueSessions {
        let rows = try await database.answering {
            try await $0.read(
                """
                WITH clock AS (
                    SELECT now, now - make_interval(secs => \(expirySeconds)::integer) AS expired
                    FROM (SELECT clock_timestamp() AS now OFFSET 0) c
                )
                -- Without a head it is of an account that is being erased, and nobody settles it.
                (SELECT user_id, NULL::bigint AS next FROM focus_sessions s
                    WHERE status = 'active' AND ends_at <= (SELECT now FROM clock)
                    AND user_is_owned(s.user_id)
                    AND EXISTS (SELECT FROM sync_heads h WHERE h.user_id = s.user_id) ORDER BY ends_at LIMIT \(limit))
                UNION ALL (SELECT user_id, NULL FROM focus_pause_state p
                    WHERE is_paused AND paused_at <= (SELECT expired FROM clock)
                    AND user_is_owned(p.user_id)
                    AND EXISTS (SELECT FROM sync_heads h WHERE h.user_id = p.user_id) ORDER BY paused_at LIMIT \(limit))
                UNION ALL SELECT NULL, ceil(extract(epoch FROM least(
                    (SELECT min(ends_at) FROM focus_sessions
                        WHERE status = 'active' AND ends_at > (SELECT now FROM clock)) - (SELECT now FROM clock),
                    (SELECT min(paused_at) FROM focus_pause_state
                        WHERE is_paused AND paused_at > (SELECT expired FROM clock)) - (SELECT expired FROM clock)))
                    * 1000)::bigint
                """)
        }
        var users: [UUID] = []
        var next: Duration?
        for row in rows {
            if let user = try row.decode("user_id", as: UUID?.self) {
                users.append(user)
            } else {
                next = try row.decode("next", as: Int64?.self).map { .milliseconds($0) }
            }
        }
        return DueSessions(users: users, next: next)
    }
}
