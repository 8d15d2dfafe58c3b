// The client's part of the flags, which only whoever runs the server changes.

/** @type {import("../sync/types.js").Feature} */
export const flags = { mutations: {}, shared: ["flags"], problems: {} };
