package import API
package import Persistence

/// The wire's own values as the database has them: a time is a timestamptz, JSON text is json.

extension Timestamp: SQLBindable, SQLDecodable {
    /// Between 1970, where we count from, and 2000, where PostgreSQL does.
    private static let postgresEpoch: Int64 = 946_684_800_000_000

    package static var sqlType: SQLType { .timestamptz }
    package var sqlBytes: [UInt8] { (microseconds &- Self.postgresEpoch).sqlBytes }

    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .timestamptz, bytes.count == 8 else { return nil }
        self.init(microseconds: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)) &+ Self.postgresEpoch)
    }
}

extension RawJSON: SQLBindable, SQLDecodable, SQLArrayElement {
    package static var sqlType: SQLType { .json }
    package static var arrayType: SQLType { .jsonArray }
    package var sqlBytes: [UInt8] { utf8 }

    package init?(sqlType: SQLType, bytes: UnsafeRawBufferPointer) {
        guard sqlType == .json else { return nil }
        self.init(utf8: Array(bytes))
    }
}

extension SQL {
    /// Who asks, as one more condition of a statement that reads what is theirs: without a row they are nobody (401), or their
    /// session ends sooner than when they were proven and must be looked at. nil: they were asked before, and it adds nothing.
    package static func asking(_ caller: Caller?) -> SQL {
        guard let caller else { return "" }
        return """
             AND EXISTS (SELECT FROM asking a WHERE a.user_id = \(caller.user) AND a.session = \(caller.session) \
            AND a.expires_at >= \(caller.expires))
            """
    }
}
