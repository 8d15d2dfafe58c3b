import API

/// The setting `theme`; without one a page is as the system is.
package enum Theme: String, Decodable, Sendable, CaseIterable {
    case light, dark, system
}

/// The setting `accessibility`: what makes pages easier to use. A switch that was never touched is left out, and off.
package struct Accessibility: Model {
    /// Nothing moves by itself.
    package let reducedMotion: Bool?
    package let highContrast: Bool?
    package let largeText: Bool?

    package static let leftOut = ["reducedMotion", "highContrast", "largeText"]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case reducedMotion = "reduced_motion"
        case highContrast = "high_contrast"
        case largeText = "large_text"
    }
}

/// What the product's own pages keep of themselves, a setting each. Every other key is an app's own, and may be any JSON.
package struct UIState: Model {
    package let theme: Theme?
    package let accessibility: Accessibility?
    /// Whether the end of a session is told by a notification.
    package let notificationsEnabled: Bool?
    /// The IANA name of the zone by whose days rewards and statistics count; without one it is UTC.
    package let timeZone: String?

    package static let leftOut = ["theme", "accessibility", "notificationsEnabled", "timeZone"]
}

/// All settings of a user, sorted by key: GET and PATCH /api/settings.
package struct SettingList: Model {
    package let settings: [Setting]
}

/// The last 20 values that a setting had before, newest first.
package struct SettingHistory: Model {
    package let history: [FormerSetting]
}
