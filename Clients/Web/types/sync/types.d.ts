/**
 * A refusal in words (RFC 9457), or what stands in for one when no server answered.
 */
export type Problem = {
    /**
     * 0 when there was no answer
     */
    status: number;
    code: string;
    detail: string;
    /**
     * which members of the body are wrong
     */
    errors?: {
        pointer: string;
        detail: string;
    }[] | undefined;
};
export type Document = {
    collection: string;
    id: string;
    /**
     * null: deleted
     */
    value: any;
    version: number;
};
/**
 * A pull's answer or a frame.
 */
export type Change = {
    /**
     * the cursor it starts from
     */
    previous: string | null;
    /**
     * the cursor after it
     */
    cursor: string;
    /**
     * it holds everything there is, and replaces everything
     */
    reset: boolean;
    documents: Document[];
    /**
     * whose effects it carries, where known
     */
    mutation_ids?: string[] | undefined;
    server_time?: string | undefined;
};
export type Mutation = {
    /**
     * a UUID made here; the same id is applied once, however often it is sent
     */
    id: string;
    /**
     * for example "settings.set"
     */
    name: string;
    args: Record<string, any>;
    /**
     * the version of the document as the user saw it; 0: it was absent
     */
    base_version?: number | undefined;
    /**
     * this device's own count
     */
    seq?: number | undefined;
    /**
     * how long ago, by a stopwatch that survived
     */
    age_ms?: number | undefined;
};
export type Result = {
    id: string;
    status: "applied" | "conflict" | "rejected";
    version?: number | undefined;
    /**
     * what stands, at a conflict
     */
    document?: Document | undefined;
    /**
     * why, at a rejection
     */
    problem?: Problem | undefined;
    /**
     * what REST would have answered
     */
    output?: any;
    replayed?: boolean | undefined;
};
/**
 * A mutation in the queue.
 */
export type Entry = {
    mutation: Mutation;
    /**
     * the server's clock when it was made, in milliseconds
     */
    made: number;
    hint?: any;
    /**
     * in the store's order
     */
    place?: number | undefined;
    /**
     * this page's stopwatch when it was made; null: that stopwatch is gone
     */
    at: number | null;
    /**
     * what it shows
     */
    effects: import("./optimistic.js").Effect[];
    /**
     * of its JSON
     */
    bytes: number;
    /**
     * this tab made it
     */
    own: boolean;
    /**
     * the store has it; before that it is not sent
     */
    kept: boolean;
    /**
     * the server may have it, and what it shows is no longer computed anew
     */
    sent: boolean;
    /**
     * the replica holds what it did: nothing more to show
     */
    landed: boolean;
    /**
     * its result is there; it is no longer in the queue
     */
    answered: boolean;
};
/**
 * `place`: in the store's order
 */
export type Kept = {
    mutation: Mutation;
    made: number;
    hint?: any;
    place?: number;
};
export type Present = {
    id: string;
    name: string;
    kind: string;
    online: boolean;
};
export type Conflict = {
    /**
     * the lost mutation's
     */
    id: string;
    mutation: {
        id: string;
        name: string;
        args: Record<string, any>;
    };
    lost_value: any;
    /**
     * the document that stands
     */
    current: any;
    at: string;
};
export type Connection = "starting" | "realtime" | "polling" | "offline";
export type TimerName = "answer" | "opening" | "reconnect" | "heartbeat" | "poll" | "pushAgain" | "hidden" | "watchdog";
/**
 * How a device stands to the server. Numbers of sockets and requests tell a late event from a present one.
 */
export type Link = {
    /**
     * whether to hold a socket
     */
    realtime: boolean;
    visible: boolean;
    /**
     * hidden for so long that the socket was given back
     */
    parked: boolean;
    /**
     * signed out, or closed
     */
    stopped: boolean;
    /**
     * the present one; 0: none
     */
    socket: number;
    /**
     * how many there ever were
     */
    sockets: number;
    /**
     * the socket has brought its first change, and so stands in for polling
     */
    live: boolean;
    liveSince: number;
    /**
     * a push is on its way over the socket
     */
    pushing: boolean;
    /**
     * the cursor that a `sync` on its way asks from
     */
    askedFrom: string | null | undefined;
    /**
     * how many mutations the present or last push carries
     */
    carrying: number;
    /**
     * how many more go alone, after a refused push, so that a bad one cannot hold up the others
     */
    single: number;
    /**
     * milliseconds between pings
     */
    heartbeat: number;
    /**
     * of the pause before the next socket
     */
    socketCeiling: number;
    /**
     * the present one; 0: none
     */
    request: number;
    requests: number;
    /**
     * what the present request is for
     */
    asking: "identify" | "pull" | "push" | null;
    /**
     * something came up while a request was on its way
     */
    pollAgain: boolean;
    pollCeiling: number;
    /**
     * answers in a row that did not fit where the replica stands
     */
    misfits: number;
    reachable: boolean;
    /**
     * the head of the queue when the watchdog was set
     */
    watched: string | null;
    timers: Partial<Record<TimerName, true>>;
};
export type State = {
    /**
     * the leader of an account's tabs has the network
     */
    role: "none" | "leader" | "follower";
    /**
     * whose documents these are
     */
    account: string | null;
    device: string | null;
    /**
     * the server has said that this account is who is signed in
     */
    known: boolean;
    /**
     * another machine counts as this device does: `seq` is left out
     */
    forked: boolean;
    cursor: string | null;
    documents: ReadonlyMap<string, Document>;
    /**
     * the last change fitted
     */
    inStep: boolean;
    /**
     * the server, or the tab that has it, has been heard since the start
     */
    fresh: boolean;
    /**
     * in the order in which they were made
     */
    entries: ReadonlyArray<Entry>;
    /**
     * ids of what is on its way into a store that may be full, and not shown yet
     */
    keeping: ReadonlyArray<string>;
    /**
     * what the entries show over the documents; null: absent
     */
    overlay: ReadonlyMap<string, any>;
    connection: Connection;
    devices: ReadonlyArray<Present> | null;
    conflicts: ReadonlyArray<Conflict>;
    /**
     * added to the stopwatch it gives the server's clock
     */
    ahead: number | null;
    /**
     * the stopwatch when that was learned; null: the stopwatch has stood still since
     */
    aheadAt: number | null;
    link: Link;
};
/**
 * An answer over HTTP, as far as it matters here.
 */
export type Answer = {
    status: number;
    /**
     * milliseconds (Lockstep-Poll-After-Ms)
     */
    pollAfter: number | null;
    /**
     * seconds
     */
    retryAfter: number | null;
    serverTime: string | null;
    /**
     * undefined where it was no JSON
     */
    body: any;
};
/**
 * What happened. `now` is the page's stopwatch in milliseconds, `random` a number below 1; both are given to every
 * event.
 */
export type Event = {
    type: string;
    now?: number;
    random?: number;
} & Record<string, any>;
/**
 * What the shell is to do.
 */
export type Effect = {
    type: string;
} & Record<string, any>;
/**
 * One step in the making: a state of its own to change, and what it asks for.
 */
export type Turn = {
    state: State;
    now: number;
    random: number;
    emit: (effect: Effect) => void;
    /**
     * what the user sees, or the status, is another
     */
    changed: () => void;
};
