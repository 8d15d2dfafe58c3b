// The words of the machine: what it holds, what it is told, what it asks for. Types alone; nothing here runs.

/**
 * A refusal in words (RFC 9457), or what stands in for one when no server answered.
 * @typedef {object} Problem
 * @property {number} status  0 when there was no answer
 * @property {string} code
 * @property {string} detail
 * @property {Array<{pointer: string, detail: string}>} [errors]  which members of the body are wrong
 */

/**
 * @typedef {object} Document
 * @property {string} collection
 * @property {string} id
 * @property {any} value  null: deleted
 * @property {number} version
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
 * @typedef {object} Result
 * @property {string} id
 * @property {"applied" | "conflict" | "rejected"} status
 * @property {number} [version]
 * @property {Document} [document]  what stands, at a conflict
 * @property {Problem} [problem]  why, at a rejection
 * @property {any} [output]  what REST would have answered
 * @property {boolean} [replayed]
 */

/**
 * A mutation in the queue.
 * @typedef {object} Entry
 * @property {Mutation} mutation
 * @property {number} made  the server's clock when it was made, in milliseconds
 * @property {any} [hint]
 * @property {number} [place]  in the store's order
 * @property {number | null} at  this page's stopwatch when it was made; null: that stopwatch is gone
 * @property {import("./optimistic.js").Effect[]} effects  what it shows
 * @property {number} bytes  of its JSON
 * @property {boolean} own  this tab made it
 * @property {boolean} kept  the store has it; before that it is not sent
 * @property {boolean} sent  the server may have it, and what it shows is no longer computed anew
 * @property {boolean} landed  the replica holds what it did: nothing more to show
 * @property {boolean} answered  its result is there; it is no longer in the queue
 */

/**
 * An entry as the store has it.
 * @typedef {{mutation: Mutation, made: number, hint?: any, place?: number}} Kept  `place`: in the store's order
 */

/** @typedef {{id: string, name: string, kind: string, online: boolean}} Present */

/**
 * @typedef {object} Conflict
 * @property {string} id  the lost mutation's
 * @property {{id: string, name: string, args: Record<string, any>}} mutation
 * @property {any} lost_value
 * @property {any} current  the document that stands
 * @property {string} at
 */

/** @typedef {"starting" | "realtime" | "polling" | "offline"} Connection */

/**
 * @typedef {"answer" | "opening" | "reconnect" | "heartbeat" | "poll" | "pushAgain" | "hidden" | "watchdog"} TimerName
 */

/**
 * How a device stands to the server. Numbers of sockets and requests tell a late event from a present one.
 * @typedef {object} Link
 * @property {boolean} realtime  whether to hold a socket
 * @property {boolean} visible
 * @property {boolean} parked  hidden for so long that the socket was given back
 * @property {boolean} stopped  signed out, or closed
 * @property {number} socket  the present one; 0: none
 * @property {number} sockets  how many there ever were
 * @property {boolean} live  the socket has brought its first change, and so stands in for polling
 * @property {number} liveSince
 * @property {boolean} pushing  a push is on its way over the socket
 * @property {string | null | undefined} askedFrom  the cursor that a `sync` on its way asks from
 * @property {number} carrying  how many mutations the present or last push carries
 * @property {number} single  how many more go alone, after a refused push, so that a bad one cannot hold up the others
 * @property {number} heartbeat  milliseconds between pings
 * @property {number} socketCeiling  of the pause before the next socket
 * @property {number} request  the present one; 0: none
 * @property {number} requests
 * @property {"identify" | "pull" | "push" | null} asking  what the present request is for
 * @property {boolean} pollAgain  something came up while a request was on its way
 * @property {number} pollCeiling
 * @property {number} misfits  answers in a row that did not fit where the replica stands
 * @property {boolean} reachable
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
 * @property {ReadonlyArray<string>} keeping  ids of what is on its way into a store that may be full, and not shown yet
 * @property {ReadonlyMap<string, any>} overlay  what the entries show over the documents; null: absent
 * @property {Connection} connection
 * @property {ReadonlyArray<Present> | null} devices
 * @property {ReadonlyArray<Conflict>} conflicts
 * @property {number | null} ahead  added to the stopwatch it gives the server's clock
 * @property {number | null} aheadAt  the stopwatch when that was learned; null: the stopwatch has stood still since
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
 * What happened. `now` is the page's stopwatch in milliseconds, `random` a number below 1; both are given to every
 * event.
 * @typedef {{type: string, now?: number, random?: number} & Record<string, any>} Event
 */

/**
 * What the shell is to do.
 * @typedef {{type: string} & Record<string, any>} Effect
 */

/**
 * One step in the making: a state of its own to change, and what it asks for.
 * @typedef {object} Turn
 * @property {State} state
 * @property {number} now
 * @property {number} random
 * @property {(effect: Effect) => void} emit
 * @property {() => void} changed  what the user sees, or the status, is another
 */

export {};
