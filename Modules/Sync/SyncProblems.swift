package import API

extension ProblemCode {
    /// What every change of synced state can be refused with.
    package static let sync: [ProblemCode] = [keyReused, deviceForked, unknownMutation, storageFull]

    static let keyReused = ProblemCode(
        "idempotency_key_reused", 422, "This key belongs to another request",
        detail: "An Idempotency-Key (or a mutation's id) names one request for ever; make a new one for a new request.",
        meaning: "An Idempotency-Key, or a mutation's id, names one request for ever. Make a new one for a new request."
    )
    static let deviceForked = ProblemCode(
        "device_forked", 409, "Another copy of this device has sent this seq",
        detail:
            "Two copies of one device count apart; sign in anew without a device id and send it again with a new id.",
        meaning:
            "Two copies of one device count their mutations apart, as after a restored backup. Sign in anew without a "
            + "device id and send the mutation with a new id.")
    static let unknownMutation = ProblemCode(
        "unknown_mutation", 422, "No such mutation", detail: "No mutation that can be pushed is called “{name}”.",
        meaning:
            "No mutation that can be pushed has this name. A client newer than the server sends such ones: keep the "
            + "change, or drop it.")
    package static let storageFull = ProblemCode(
        "storage_full", 409, "This account has no room left for that", final: false,
        detail: "Of {what} an account can have {limit}, and this one has.",
        meaning: "`what` has reached its `limit` for one account. Make room, or wait for as many seconds as "
            + "`retry_after_seconds` says where it is given; the same key may be sent again.")
}

/// Why an id that came with this request cannot be answered with what is kept under it.
extension Problem {
    package static let keyReused = Problem(.keyReused)
    static let deviceForked = Problem(.deviceForked)
}
