// The client's part of the widgets. The server's: Modules/Widgets/Storage/widgets.sql.

import { optionalText, Refusal, requiredId } from "./fields.js";

/** @typedef {import("../sync/types.js").ShownValue} ShownValue */
/** @typedef {import("../sync/types.js").LocalMutation} LocalMutation */
/** @typedef {import("../sync/types.js").View} View */

const LONGEST_NAME = 100;
const MOST = 1_000;

/** @type {import("../sync/types.js").Feature} */
export const widgets = {
    mutations: {
        "widgets.set": { document: ({ id }) => ["widgets", String(id).toLowerCase()], effects: set },
    },
    shared: [],
    problems: {
        too_many_widgets: "Your account holds as many widgets as it can.",
    },
};

/** @param {LocalMutation} mutation @param {View} view @returns {ShownValue[]} */
function set({ args }, { read, full }) {
    const id = requiredId(args, "id");
    const name = optionalText(args, "name", LONGEST_NAME);
    if (args.name === undefined || name === "") throw new Refusal("invalid_body");
    if (name === undefined) return [{ collection: "widgets", id, value: null }];
    const known = read("widgets", id);
    if (known === undefined && full("widgets", MOST)) throw new Refusal("too_many_widgets");
    return [{ collection: "widgets", id, value: { ...known, id, name } }];
}
