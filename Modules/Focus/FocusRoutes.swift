package import API
import FoundationEssentials
import HTTPTypes
package import Hummingbird
package import Sync

/// What Focus offers on the wire.
package struct FocusRoutes: Sendable {
    private let repository: any FocusRepository
    private let dispatcher: MutationDispatcher
    private let scheduler: SessionScheduler

    package init(repository: any FocusRepository, dispatcher: MutationDispatcher, scheduler: SessionScheduler) {
        self.repository = repository
        self.dispatcher = dispatcher
        self.scheduler = scheduler
    }

    package func add(to routes: RouterGroup<EdgeContext>) {
        routes.group("focus")
            .get(use: list)
            .post(use: start)
            .get("active", use: active)
            .get("pause", use: pauseState)
            .post("pause", use: pause)
            .delete("pause", use: resume)
            .get("stats", use: statistics)
            .post("{id}/complete", use: complete)
            .post("{id}/abandon", use: abandon)
    }

    @Sendable private func active(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let live = try await live(context)
        return .json(headers: [.eTag: EntityTag.text(live.pause.version)]) { writer in
            writer.raw(live.session == nil ? "{\"session_active\":false" : "{\"session_active\":true")
            writer.raw(",\"session\":")
            if let session = live.session { writer.raw(session) } else { writer.raw("null") }
            writer.raw(",\"server_time\":")
            writer.plain(live.time.text)
            writer.raw("}")
        }
    }

    @Sendable private func pauseState(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let live = try await live(context)
        let tag = EntityTag.text(live.pause.version)
        return .json(headers: [.eTag: tag]) { live.pause.write(to: &$0) }
    }

    @Sendable private func list(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let limit = try request.pageLimit
        let before = try request.query("before").map { text throws(Problem) in
            guard let id = UUID(text: text) else {
                throw .invalidQuery("before", "What `next` of the page before said should stand here.")
            }
            return id
        }
        let user = try await context.caller.user
        try await scheduler.settle(user)
        let found = try await repository.sessions(of: user, before: before, limit: limit + 1)
        let page = found.prefix(limit)
        return .json { writer in
            writer.raw("{\"sessions\":")
            writer.list(page) { $0.raw($1.session) }
            writer.raw(",\"next\":")
            if found.count > limit, let last = page.last { writer.plain(last.id.text) } else { writer.raw("null") }
            writer.raw("}")
        }
    }

    @Sendable private func statistics(_ request: Request, _ context: EdgeContext) async throws -> Response {
        let days = try request.queryInteger("days", in: 1...366) ?? 30
        let zone = try request.query("tz").map { text throws(Problem) in
            guard let zone = TimeZoneName(text) else { throw FocusRefusal.unknownTimeZone.problem }
            return zone
        }
        let user = try await context.caller.user
        try await scheduler.settle(user)
        do {
            let statistics = try await repository.statistics(of: user, days: days, zone: zone)
            return .json { statistics.write(to: &$0) }
        } catch let refusal as FocusRefusal {
            throw refusal.problem
        }
    }

    @Sendable private func start(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(
            request, context, "focus.start", args: try await request.optionalJSON(), success: .created)
    }

    @Sendable private func pause(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "focus.pause", args: try await request.optionalJSON())
    }

    @Sendable private func resume(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "focus.resume", args: .object([:]))
    }

    @Sendable private func complete(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "focus.complete", args: try id(context))
    }

    @Sendable private func abandon(_ request: Request, _ context: EdgeContext) async throws -> Response {
        try await dispatcher.answer(request, context, "focus.abandon", args: try id(context))
    }

    /// The session's id in the path. What is no id is simply not found.
    private func id(_ context: EdgeContext) throws -> JSON {
        guard let id = UUID(text: try context.parameters.require("id")) else { throw Problem.notFound }
        return .object(["id": .string(id.text)])
    }

    /// The live session as it is now: one that is due is settled first, so that nobody sees it run on.
    private func live(_ context: EdgeContext) async throws -> LiveSession {
        let user = try await context.caller.user
        let live = try await repository.live(of: user)
        guard live.isDue else { return live }
        try await scheduler.settle(user)
        return try await repository.live(of: user)
    }
}

extension PauseState {
    /// {is_paused, session_id, paused_at, resumed_at, remaining_seconds, version}
    func write(to writer: inout JSONWriter) {
        func time(_ time: Timestamp?) {
            if let time { writer.plain(time.text) } else { writer.raw("null") }
        }
        writer.raw(isPaused ? "{\"is_paused\":true,\"session_id\":" : "{\"is_paused\":false,\"session_id\":")
        if let sessionID { writer.plain(sessionID.text) } else { writer.raw("null") }
        writer.raw(",\"paused_at\":")
        time(pausedAt)
        writer.raw(",\"resumed_at\":")
        time(resumedAt)
        writer.raw(",\"remaining_seconds\":")
        if let remainingSeconds { writer.int(remainingSeconds) } else { writer.raw("null") }
        writer.raw(",\"version\":")
        writer.int(version)
        writer.raw("}")
    }
}

extension FocusStatistics {
    /// {sessions, focus_seconds, coins_awarded, streak_days, longest_streak_days, per_day: [{date, sessions, focus_seconds}]}
    func write(to writer: inout JSONWriter) {
        writer.raw("{\"sessions\":")
        writer.int(sessions)
        writer.raw(",\"focus_seconds\":")
        writer.int(focusSeconds)
        writer.raw(",\"coins_awarded\":")
        writer.int(coinsAwarded)
        writer.raw(",\"streak_days\":")
        writer.int(streakDays)
        writer.raw(",\"longest_streak_days\":")
        writer.int(longestStreakDays)
        writer.raw(",\"per_day\":")
        writer.list(perDay) { writer, day in
            writer.raw("{\"date\":")
            writer.plain(day.date)
            writer.raw(",\"sessions\":")
            writer.int(day.sessions)
            writer.raw(",\"focus_seconds\":")
            writer.int(day.focusSeconds)
            writer.raw("}")
        }
        writer.raw("}")
    }
}
