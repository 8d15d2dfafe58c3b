import CLibPQ

/// `DATABASE_URL` as libpq reads it, and in words what it cannot read.
struct DatabaseAddress: Sendable {
    /// Every parameter that was given, but `options`.
    let parameters: [(name: String, value: String)]
    let options: String

    /// - Parameter text: a URL or keywords, as libpq takes them.
    /// - Throws: `DatabaseError` of kind `unusable`, whose message never quotes a value: it may be the password.
    init(_ text: String) throws(DatabaseError) {
        guard let parsed = PQconninfoParse(text, nil) else { throw Self.fault(of: text) }
        defer { PQconninfoFree(parsed) }
        var given: [(name: String, value: String)] = []
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given.append((String(cString: keyword), String(cString: value))) }
            option += 1
        }
        options = given.first { $0.name == "options" }?.value ?? ""
        parameters = given.filter { $0.name != "options" }.sorted { $0.name < $1.name }
    }

    private static func fault(of text: String) -> DatabaseError {
        let unknown = names(in: text).filter { !isKnown($0) }
        guard unknown.isEmpty else {
            let told = unknown.map { name in "“\(name)” (\(advice(on: name)))" }.joined(separator: ", ")
            return DatabaseError(
                .unusable, message: "DATABASE_URL has what PostgreSQL's own library does not know: \(told)")
        }
        // What libpq says quotes the text, and a password may stand in it.
        return DatabaseError(
            .unusable,
            message: "DATABASE_URL is invalid: it is neither a URL (postgresql://user@host/database; in a password "
                + "%40 stands for @, %3A for :, %2F for /) nor keywords (host=… dbname=…)")
    }

    /// What other libraries take in the same place.
    private static func advice(on name: String) -> String {
        switch name {
        case "pgbouncer", "statement_cache_size", "prepareThreshold":
            "take it out, and let the pooler work in session mode"
        case "schema", "currentSchema", "search_path":
            "take it out; `options=-c%20search_path%3DNAME` sets the schema, which is public by itself"
        case "connection_limit", "pool_size", "max_connections":
            "take it out, and set LOCKSTEP_DATABASE_CONNECTIONS"
        case "pool_timeout", "socket_timeout", "statement_timeout", "pool_recycle":
            "take it out: waits have limits of their own here"
        case "sslaccept", "uselibpqcompat", "tls": "take it out; `sslmode=require` or `verify-full` asks for TLS"
        case "timezone", "TimeZone": "take it out: times are UTC here"
        default: "take it out"
        }
    }

    /// The names of a URL's parameters, or the keywords of the other form. Only where they cannot be part of a password.
    private static func names(in text: String) -> [String] {
        let fields: [Substring]
        if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") {
            let tail = text.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
            guard let query = tail.firstIndex(of: "?") else { return [] }
            fields = tail[tail.index(after: query)...].split(separator: "&")
        } else {
            // Quoted values may hold anything.
            guard !text.contains("'"), !text.contains("\\") else { return [] }
            fields = text.split(separator: " ")
        }
        return fields.compactMap { field in
            guard let equals = field.firstIndex(of: "=") else { return nil }
            let name = String(field[..<equals])
            return name.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_.\-]{0,40}/) == nil ? nil : name
        }
    }

    private static func isKnown(_ name: String) -> Bool {
        guard let all = PQconndefaults() else { return true }
        defer { PQconninfoFree(all) }
        var option = all
        while let keyword = option.pointee.keyword {
            if String(cString: keyword) == name { return true }
            option += 1
        }
        // JDBC's, which libpq takes as sslmode.
        return name == "ssl"
    }
}
