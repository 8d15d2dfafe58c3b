package import API
package import FoundationEssentials

/// A widget of a user: the value of a document of `widgets`, and what the API shows.
package struct Widget: Model {
    package let id: UUID
    package let name: String

    /// In characters.
    package static let longestName = 100
    /// How many a user may have, with those that were deleted within 30 days.
    package static let most = 1_000
}

/// All of a user, by id: GET /api/widgets.
package struct WidgetList: Model {
    package let widgets: [Widget]
}

/// A widget and the name that it shall have: nil deletes it. One that exists has been checked.
package struct WidgetChange: Sendable, Equatable {
    package let id: UUID
    package let name: String?

    /// - Throws: 422 `invalid_body`, with a pointer to each fault.
    package init(reading json: JSON) throws(Problem) {
        var fields = try Fields(json)
        id = fields.id("id")
        _ = fields.required("name")
        name = fields.optionalString("name", length: 1...Widget.longestName)
        try fields.check()
    }

    /// What makes two of them the same, and what the database takes.
    package var args: JSON {
        .object(["id": .string(id.text), "name": name.map { .string($0) } ?? .null])
    }
}

/// Why a change of widgets is not carried out.
package enum WidgetsRefusal: Error, Sendable, Equatable {
    case tooMany
    /// If-Match names another version; `current` is the widget as it is, null where there is none.
    case versionMismatch(current: JSON)

    /// A refusal by the code under which storage keeps it, and what stands beside the code.
    package init?(code: String, _ members: JSON) {
        switch code {
        case "too_many_widgets": self = .tooMany
        case "version_mismatch": self = .versionMismatch(current: members["current"] ?? .null)
        default: return nil
        }
    }

    package var problem: Problem {
        switch self {
        case .tooMany: Problem(.tooManyWidgets)
        case .versionMismatch(let current): .versionMismatch(current: current)
        }
    }
}

extension ProblemCode {
    package static let widgets: [ProblemCode] = [tooManyWidgets]

    static let tooManyWidgets = ProblemCode(
        "too_many_widgets", 409, "Too many widgets",
        detail: "A user has at most \(Widget.most) widgets, with those that were deleted within 30 days.",
        meaning: "The user has as many widgets as one may have, with those that were deleted within 30 days.")
}
