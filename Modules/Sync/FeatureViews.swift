import API

/// What a feature's SQL publishes, by name: Sync puts its own statements together from these, and knows no table of any feature.
package struct FeatureViews: Sendable {
    /// What clients hold copies of.
    package var documents: [DocumentView] = []
    /// Views (user_id, at): when a document of this user will next change by itself.
    package var due: [StaticString] = []
    /// What is deleted when it is old enough.
    package var purges: [Purge] = []
    /// What an account may make the server keep.
    package var rooms: [StorageRoom] = []
    /// What users are paid for.
    package var earnings: [Earning] = []
    /// The documents that hold a user's time zone, by which days are counted; in SQL it is `user_zone(user_id)`.
    package var zones: [DocumentName] = []

    package init(
        documents: [DocumentView] = [], due: [StaticString] = [], purges: [Purge] = [], rooms: [StorageRoom] = [],
        earnings: [Earning] = [], zones: [DocumentName] = []
    ) {
        self.documents = documents
        self.due = due
        self.purges = purges
        self.rooms = rooms
        self.earnings = earnings
        self.zones = zones
    }

    /// The views of all features together.
    package init(all features: [FeatureViews]) {
        self.init(
            documents: features.flatMap(\.documents), due: features.flatMap(\.due),
            purges: features.flatMap(\.purges), rooms: features.flatMap(\.rooms),
            earnings: features.flatMap(\.earnings), zones: features.flatMap(\.zones))
    }
}

/// Where documents stand: a view (user_id, id, value, version), value NULL where one was deleted; with a column `collection` where it
/// holds those of several, and without `user_id` where all users share them.
package struct DocumentView: Sendable {
    package enum Owner: Sendable {
        case user, everybody
    }

    let view: StaticString
    let collections: [StaticString]
    let owner: Owner

    package init(_ collections: StaticString..., in view: StaticString, of owner: Owner = .user) {
        self.view = view
        self.collections = collections
        self.owner = owner
    }
}

/// What is deleted when it is old enough, in steps. A step is a function (p_user, p_before, p_from text, p_rows, OUT purged, OUT
/// next_from text): it looks at p_rows rows of a user in the order of their keys, from p_from on (null: the first), under the lock that
/// the user's writers take, and deletes those from before p_before; next_from is the p_from of the next step, null: that was the last.
/// It goes by the key's index, whatever the planner thinks of statistics that a purge makes false: hence its settings.
package struct Purge: Sendable {
    let name: String
    /// A view (user_id, since): whose rows may go, and since when.
    let view: StaticString
    /// The function that is a step.
    let step: StaticString
    let keptDays: Int
    /// How many days longer a user is left alone, because their steps look at all of their rows, however few are due.
    let gatheredDays: Int

    package init(
        _ name: String, in view: StaticString, by step: StaticString, keptDays: Int = 30, gatheredDays: Int = 0
    ) {
        self.name = name
        self.view = view
        self.step = step
        self.keptDays = keptDays
        self.gatheredDays = gatheredDays
    }
}

/// One document of a user.
package struct DocumentName: Sendable {
    private let collection: Verbatim
    private let id: Verbatim

    package init(_ collection: String, _ id: String) {
        self.collection = collection.verbatim
        self.id = id.verbatim
    }

    package func names(_ document: Document) -> Bool {
        document.collection.verbatim == collection && document.id.verbatim == id
    }
}

/// What users earn by a feature, for the audit to hold what was paid against it: a view (user_id, id, what, is_earned, worth, paid).
/// What was paid says `name` as its reason.
package struct Earning: Sendable {
    package let name: String
    package let view: StaticString
    /// What is said of a payment for which no row is earned.
    package let missing: String

    package init(_ name: String, in view: StaticString, missing: String) {
        self.name = name
        self.view = view
        self.missing = missing
    }
}
