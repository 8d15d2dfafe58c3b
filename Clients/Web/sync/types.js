// The words of the machine: what it holds, what it is told, what it asks for. Types alone; nothing here runs.

/** @typedef {import("../contract.js").Conflict} Conflict */
/** @typedef {import("../contract.js").Document} Document */
/** @typedef {import("../contract.js").Present} Present */
/** @typedef {import("../contract.js").Problem} Problem */
/** @typedef {import("../contract.js").Reason} Reason */
/** @typedef {import("../contract.js").Result} Result */

/** @typedef {(collection: string, id: string) => any} Read  a value as the user sees it now; undefined: there is none */

/**
 * The documents as the user sees them now.
 * @typedef {object} View
 * @property {Read} read
 * @property {(collection: string, most: number) => boolean} full  whether a collection has so many already
 */

/**
 * A value as it will be once a mutation is applied.
 * @typedef {{collection: string, id: string, value: unknown}} ShownValue
 */

/**
 * What the effects of a mutation are computed from.
 * @typedef {object} LocalMutation
 * @property {string} id  the mutation's; what it creates has the same
 * @property {string} name
 * @property {Record<string, any>} args
 * @property {number} made  the server's clock when it was made, in milliseconds
 * @property {any} [hint]  what the caller knows and the server need not be told: a refund's transaction
 */

/**
 * What a client knows of a mutation.
 * @typedef {object} MutationRule
 * @property {((args: Record<string, any>) => [collection: string, id: string]) | null} document  the one whose version goes
 *   along as `base_version`, so that the server finds that somebody else was first; null: it compares none
 * @property {(mutation: LocalMutation, view: View) => ShownValue[]} effects  what it shows; none where this device cannot
 *   tell. Throws a `Refusal` where it knows that the server will refuse
 * @property {(args: Record<string, any>, read: Read) => Record<string, any>} [prepared]  the arguments with what the user saw
 * @property {(args: Record<string, any>) => {address: string, missing: Record<string, any>}} [past]  where the server says
 *   which values the document had, and what a member means that such a value lacks: what a lost change is put back from
 * @property {{title: string, wanted: string}} [words]  what it is called, and what its user did, where it lost
 */

/**
 * The client's part of a feature, registered in features/index.js.
 * @typedef {object} Feature
 * @property {Record<string, MutationRule>} mutations  by name
 * @property {ReadonlyArray<string>} shared  its collections that all users share
 * @property {(read: Read, now: number | null) => boolean} [promises]  whether something is promised to who does not look; null:
 *   the server's clock is not known
 * @property {(read: Read) => boolean} [listens]  whether the user asked to be told of what begins elsewhere while they do not look
 * @property {Record<string, string | ((problem: Record<string, any>) => string)>} problems  its refusals by code, for people
 */

/**
 * A pull's answer or a frame.
 * @typedef {object} Change
 * @property {string | null} previous  the cursor it starts from
 * @property {string} cursor  the cursor after it
 * @property {boolean} reset  it holds everything there is, and replaces everything
 * @property {Document[]} documents
 * @property {string[]} [mutation_ids]  whose effects it carries, where known
 * @property {string} [server_time]
 */

/**
 * @typedef {object} Mutation
 * @property {string} id  a UUID made here; the same id is applied once, however often it is sent
 * @property {string} name  for example "settings.set"
 * @property {Record<string, any>} args
 * @property {number} [base_version]  the version of the document as the user saw it; 0: it was absent
 * @property {number} [seq]  this device's own count
 * @property {number} [age_ms]  how long ago, by a stopwatch that survived
 */

/**
 * A mutation in the queue.
 * @typedef {object} Entry
 * @property {Mutation} mutation
 * @property {number} made  the server's clock when it was made, in milliseconds
 * @property {any} [hint]
 * @property {number} [place]  in the store's order
 * @property {number | null} at  this page's stopwatch when it was made; null: that stopwatch is gone
 * @property {ShownValue[]} effects  what it shows
 * @property {number} bytes  of its JSON
 * @property {boolean} own  this tab made it
 * @property {boolean} persisted  the store has it; before that it is not sent
 * @property {boolean} sent  the server may have it, and what it shows is no longer computed anew
 * @property {boolean} landed  the replica holds what it did: nothing more to show
 * @property {boolean} answered  its result is there; it is no longer in the queue
 */

/**
 * An entry as the store has it.
 * @typedef {{mutation: Mutation, made: number, hint?: any, place?: number}} StoredEntry  `place`: in the store's order
 */

/**
 * How this device stands to the server, for whoever looks.
 * @typedef {{is: "starting"} | {is: "realtime"} | {is: "polling"} | {is: "offline", reason: Reason}} Connection
 */

/**
 * @typedef {"answer" | "opening" | "reconnect" | "heartbeat" | "poll" | "pushAgain" | "hidden" | "watchdog"} TimerName
 */

/**
 * Numbers of sockets and requests tell a late event from a present one. `since`: when it was asked for. `askedFrom`: the
 * cursor that a `sync` on its way asks from. `heartbeat`: milliseconds between pings. live: it has brought its first change,
 * and so stands in for polling; `liveSince`, and whether a push is on its way over it.
 * @typedef {{is: "closed"}
 *   | {is: "opening", number: number, since: number, askedFrom: string | null | undefined, heartbeat: number}
 *   | {is: "live", number: number, since: number, askedFrom: string | null | undefined, heartbeat: number,
 *      liveSince: number, pushing: boolean}} Socket
 */

/**
 * What a request is for. `hold`: a pull that the server may wait with.
 * @typedef {"identify" | "pull" | "hold" | "push"} Asking
 */

/** @typedef {{is: "idle"} | {is: "asking", number: number, asking: Asking}} Request */

/**
 * How a device reaches the server.
 * @typedef {object} Link
 * @property {boolean} realtime  whether to hold a socket
 * @property {boolean} visible
 * @property {boolean} parked  hidden for so long that the socket was given back
 * @property {boolean} stopped  signed out, or closed
 * @property {Socket} socket
 * @property {number} sockets  how many there ever were
 * @property {number} socketCeiling  of the pause before the next socket
 * @property {boolean} mistaken  the last socket belonged to another device
 * @property {Request} request
 * @property {number} requests  how many there ever were
 * @property {number} askedAt  when the last request began
 * @property {boolean} pollAgain  something came up while a request was on its way
 * @property {number} pollCeiling
 * @property {number} pollAfter  what the server says to who does not let it hold questions, in milliseconds
 * @property {number} pollDue  when the timer of that name rings, where it is set
 * @property {number} misfits  answers in a row that did not fit where the replica stands
 * @property {boolean} reachable
 * @property {number} carrying  how many mutations the present or last push carries
 * @property {number} oneByOne  how many more go alone, after a refused push, so that a bad one cannot hold up the others
 * @property {boolean} holds  whether a page in sight lets the server hold its questions
 * @property {number} holdFor  for how many seconds; 0: not at all, for now
 * @property {number} cutAfter  the last one was cut after so many milliseconds; 0: it was not
 * @property {number} cuts  of the shortest, in a row
 * @property {number} rests  plain questions since it was given up
 * @property {number} early  empty answers in a row that nobody had waited with
 * @property {string | null} watched  the head of the queue when the watchdog was set
 * @property {Partial<Record<TimerName, true>>} timers
 */

/**
 * @typedef {object} State
 * @property {"none" | "leader" | "follower"} role  the leader of an account's tabs has the network
 * @property {string | null} account  whose documents these are
 * @property {string | null} device
 * @property {boolean} known  the server has said that this account is who is signed in
 * @property {boolean} forked  another machine counts as this device does: `seq` is left out
 * @property {string | null} cursor
 * @property {ReadonlyMap<string, Document>} documents
 * @property {boolean} inStep  the last change fitted
 * @property {boolean} fresh  the server, or the tab that has it, has been heard since the start
 * @property {ReadonlyArray<Entry>} entries  in the order in which they were made
 * @property {ReadonlyArray<string>} persisting  ids of what is on its way into a store that may be full, and not shown yet
 * @property {ReadonlyMap<string, any>} overlay  what the entries show over the documents; null: absent
 * @property {Connection} connection
 * @property {ReadonlyArray<Present> | null} devices
 * @property {ReadonlyArray<Conflict>} conflicts
 * @property {number | null} ahead  added to the stopwatch it gives the server's clock
 * @property {number | null} aheadAt  the stopwatch when that was learned; null: the stopwatch has stood still since
 * @property {number | null} aheadTold  what the other tabs were told of it
 * @property {Link} link
 */

/**
 * An answer over HTTP, as far as it matters here.
 * @typedef {object} Answer
 * @property {number} status
 * @property {number | null} pollAfter  milliseconds (Lockstep-Poll-After-Ms)
 * @property {number | null} retryAfter  seconds
 * @property {string | null} serverTime
 * @property {any} body  undefined where it was no JSON
 */

/**
 * What the store had for an account.
 * @typedef {object} Loaded
 * @property {string} account
 * @property {string | null} device
 * @property {boolean} [forked]
 * @property {string | null} cursor
 * @property {Document[]} documents
 * @property {StoredEntry[]} entries
 * @property {number | null} ahead  added to the stopwatch it gives the server's clock, as it was when the replica was saved
 * @property {boolean} known  the server has just named this account
 */

/**
 * What happened; Clients/Vectors/README.md says each in words. `fresh`: ids that nothing has yet, as many as results need.
 * `message` of a socket and of another tab, and the body of an answer, come from outside, and may be anything.
 * @typedef {{type: "loaded"} & Loaded
 *   | {type: "lead", realtime: boolean, visible: boolean, holds?: boolean} | {type: "follow"}
 *   | {type: "mutate", id: string, name: string, args: Record<string, any>, made: number, hint?: any, room?: boolean}
 *   | {type: "persisted", entry: StoredEntry, at: number} | {type: "notPersisted", id: string, code: LocalCode}
 *   | {type: "message", socket: number, message: any, fresh?: string[]} | {type: "closed", socket: number}
 *   | {type: "answered", request: number, answer: Answer, fresh?: string[]}
 *   | {type: "failed", request: number, reason?: Reason}
 *   | {type: "timer", name: TimerName} | {type: "wake"} | {type: "hidden"} | {type: "unplugged"}
 *   | {type: "jumped", by?: number} | {type: "holds", holds: boolean} | {type: "signedIn"} | {type: "stop"}
 *   | {type: "conflicts", conflicts: Conflict[]} | {type: "heard", message: any, age?: number}} Happening
 */

/**
 * `now` is the page's stopwatch in milliseconds, `random` a number below 1; the shell gives both to every event.
 * @typedef {Happening & {now?: number, random?: number}} Event
 */

/**
 * What tabs of the same account tell each other.
 * @typedef {{type: "queued", entry: StoredEntry, age: number} | {type: "behind"} | {type: "wake"} | Snapshot
 *   | {type: "change", change: Change} | {type: "results", results: Result[], pulled: boolean}
 *   | {type: "renamed", from: string, to: string} | {type: "time", time: number}
 *   | {type: "connection", connection: Connection["is"], reason?: Reason}
 *   | {type: "presence", devices: ReadonlyArray<Present> | null}
 *   | {type: "conflicts", conflicts: ReadonlyArray<Conflict>} | {type: "signedOut"}} TabMessage
 */

/**
 * All that a tab has to know to follow. `age`: so many milliseconds ago each entry was made; null: nobody knows.
 * @typedef {object} Snapshot
 * @property {"snapshot"} type
 * @property {string | null} account
 * @property {string | null} device
 * @property {string | null} cursor
 * @property {boolean} fresh
 * @property {Document[]} documents
 * @property {Connection["is"]} connection
 * @property {Reason} [reason]
 * @property {ReadonlyArray<Present> | null} devices
 * @property {ReadonlyArray<Conflict>} conflicts
 * @property {number | null} time
 * @property {Array<Entry & {age: number | null}>} entries
 */

/**
 * @typedef {{type: "request", request: number, asking: "identify"}
 *   | {type: "request", request: number, asking: "pull" | "push", cursor: string | null, mutations: Mutation[]}
 *   | {type: "request", request: number, asking: "hold", cursor: string | null, mutations: Mutation[], wait: number}
 *   } RequestEffect
 */

/** @typedef {{type: "persist", entry: StoredEntry, at: number}} PersistEffect */

/** @typedef {{type: "save", cursor: string, reset: boolean, documents: Document[]}} SaveEffect */

/**
 * What the shell is to do; Clients/Vectors/README.md says each in words.
 * @typedef {{type: "socket", socket: number, cursor: string | null} | {type: "send", socket: number, message: object}
 *   | {type: "hangUp", socket: number} | RequestEffect | {type: "abort", request: number}
 *   | {type: "timer", name: TimerName, milliseconds: number} | {type: "untimer", name: TimerName}
 *   | PersistEffect | SaveEffect | {type: "forget", ids: string[]} | {type: "forked"}
 *   | {type: "renamed", from: string, to: string} | {type: "answer", result: Result}
 *   | {type: "identified", account: string, device: string, email: string} | {type: "conflicts"}
 *   | {type: "tookBack", conflict: string} | {type: "signedOut"} | {type: "broadcast", message: TabMessage}
 *   | {type: "changed"}} Effect
 */

/**
 * One member of a union, by its type.
 * @template {{type: string}} Union
 * @template {Union["type"]} Type
 * @typedef {Extract<Union, {type: Type}>} Of
 */

/**
 * What a change was not made for, on this device.
 * @typedef {"payload_too_large" | "queue_full" | "storage_full" | "unregistered_mutation" | "invalid_value" | "signed_out"
 *   | "unknown_user" | "unknown_past" | "closed"} LocalCode
 */

/**
 * One step in the making: a state of its own to change, and what it asks for.
 * @typedef {object} StepContext
 * @property {State} state
 * @property {number} now
 * @property {number} random
 * @property {(effect: Effect) => void} emit
 * @property {() => void} changed  what the user sees, or the status, is another
 */

export {};
