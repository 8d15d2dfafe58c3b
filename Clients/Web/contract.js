// What a page has to know of what the server and this client say. Types alone; nothing here runs.

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
 * @typedef {object} Result
 * @property {string} id
 * @property {"applied" | "conflict" | "rejected"} status
 * @property {number} [version]
 * @property {Document} [document]  what stands, at a conflict
 * @property {Problem} [problem]  why, at a rejection
 * @property {any} [output]  what REST would have answered
 * @property {boolean} [replayed]
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

/**
 * Why there is no connection. unreachable: nothing came, and a browser does not say why: no network, no such server, a
 * certificate that it does not trust. unavailable: somebody answered, but not as the server does when it can. certificate:
 * said where a runtime tells it apart, which browsers do not. origin_refused: this page's origin is none of those that the
 * server allows.
 * @typedef {"unreachable" | "unavailable" | "certificate" | "origin_refused" | "signed_out" | "closed"} Reason
 */

export {};
