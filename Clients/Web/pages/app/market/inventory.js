// What the user owns: to use up, or to give back while that is possible.

import { REFUND_MS } from "../../../features/market.js";
import { ask, byId, element, fill, show, toast } from "../dom.js";
import { act, client, follow } from "../frame.js";
import { call } from "../rest.js";
import { emblem } from "./emblem.js";
import { refund } from "./purchase.js";

/** @typedef {import("./ledger.js").Movement} Movement */

/**
 * @param {() => ReadonlyArray<Movement>} movements  the newest first
 * @returns {{render: () => void}}
 */
export function startInventory(movements) {
    /**
     * Names of items that are no documents any more.
     * @type {Map<string, any>}
     */
    const gone = new Map();
    let asking = false;

    function render() {
        const now = client.serverNow();
        const rows = client.list("inventory").filter((it) => it.value.quantity > 0).map(({ id, value }) => {
            const item = itemOf(id) ?? gone.get(id);
            return { id, ...value, item, refundable: refundable(id, value, movements(), now) };
        });
        rows.sort((one, other) => other.purchased_at.localeCompare(one.purchased_at));
        show(byId("inventory-empty"), client.status().ready && rows.length === 0);
        fill(byId("inventory"), rows, (it) => it.id, (it) => it, draw);
        if (rows.some((it) => it.item === undefined)) void askNames();
    }

    async function askNames() {
        if (asking) return;
        asking = true;
        let path = "/api/market/inventory?limit=100";
        /** @type {string | null} */
        let after = null;
        do {
            const { ok, body } = await call("GET", path);
            if (!ok) {
                asking = false;
                return;
            }
            for (const row of body.purchases) gone.set(row.item_id, row.item);
            after = body.next;
            path = `/api/market/inventory?limit=100&after=${encodeURIComponent(body.next)}`;
        } while (after !== null && client.list("inventory").some(isNameless));
        render();
    }

    /** @param {{id: string, value: any}} it */
    const isNameless = (it) => it.value.quantity > 0 && itemOf(it.id) === undefined && !gone.has(it.id);

    follow(render);
    return { render };
}

/** @param {string} id */
export function itemOf(id) {
    return client.read("items", id) ?? client.read("personal_items", id);
}

/** @param {any} row */
function draw(row) {
    const name = row.item?.name ?? "An item that is no more";
    const left = row.quantity - row.redeemed;
    const pieces = row.quantity === 1 ? "1 piece" : `${row.quantity} pieces`;
    return element("li", { class: "row owned", "data-testid": `inventory-item-${row.id}` },
        emblem(row.item ?? { name: "?", category: "" }),
        element("div", { class: "grow" },
            element("strong", {}, name), element("p", { class: "hint" },
                row.redeemed > 0 ? `${left} of ${row.quantity} left` : pieces)),
        element("div", { class: "buttons" },
            row.item?.consumable === true && left > 0 && element("button", {
                type: "button", class: "button", "aria-label": `Use one ${name}`, "data-testid": `redeem-${row.id}`,
                click: () => void redeem(row.id, name),
            }, "Use one"),
            row.refundable !== null && element("button", {
                type: "button", class: "button quiet", "aria-label": `Give ${name} back`,
                "data-testid": `refund-${row.id}`, click: () => void giveBack(row.refundable, name),
            }, "Undo")));
}

/** @param {string} id @param {string} name */
async function redeem(id, name) {
    const result = await act("market.redeem", { item_id: id });
    if (result.status === "applied") toast(`${name}: enjoy it.`);
}

/** @param {Movement} movement @param {string} name */
async function giveBack(movement, name) {
    const sure = await ask({
        title: `Give ${name} back?`, text: [`You get ${-movement.coins_amount} coins for this purchase.`],
        yes: "Give back", testId: "confirm-refund",
    });
    if (!sure) return;
    // How many pieces it were, as far as today's price tells: what shows until the server has answered.
    const pieces = -movement.coins_amount / itemOf(String(movement.item_id))?.cost_coins;
    await refund({ ...movement, quantity: Number.isInteger(pieces) && pieces > 0 ? pieces : 1 }, name);
}

/**
 * The newest purchase of an item that can still be given back: within 24 hours, not given back, nothing used up.
 * @param {string} id
 * @param {{quantity: number, redeemed: number}} owned
 * @param {ReadonlyArray<Movement>} movements
 * @param {number} now
 * @returns {Movement | null}
 */
function refundable(id, owned, movements, now) {
    // The oldest are used up first; whether anything of one purchase is, only the server knows for certain.
    if (owned.redeemed >= owned.quantity) return null;
    /** @type {number[]} */
    const returned = [];
    for (const it of movements) {
        if (it.item_id !== id) continue;
        if (it.transaction_type === "refund") returned.push(it.coins_amount);
        if (it.transaction_type !== "spend") continue;
        const at = returned.indexOf(-it.coins_amount);
        if (at >= 0) returned.splice(at, 1);
        else return Date.parse(it.created_at) > now - REFUND_MS ? it : null;
    }
    return null;
}
