/// Who may have a socket, decided before the upgrade.
package enum SocketAdmission: Sendable {
    /// - Parameter cookie: theirs, with all of its time before it again.
    case caller(Caller, cookie: String? = nil)
    /// Neither cookie nor header: the first message must be `auth`.
    case anonymous
    /// A token that is worth nothing: the socket is opened and closed with 4401, which a browser can read.
    case badToken
    /// No socket: the request goes on to the router, which answers it.
    case refused
    /// It could not be found out.
    case unavailable(Problem)
}
