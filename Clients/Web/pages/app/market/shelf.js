// The items that can be bought now, by server time; and which of them suit this user.

import { isOffered } from "../../../features/market.js";
import { question } from "../answers.js";
import { byId, element, field, fill, say, show } from "../dom.js";
import { client, follow } from "../frame.js";
import { fits, obstacle, reasonText, untilNextWindow } from "../items.js";
import { call } from "../rest.js";
import { whenText } from "../when.js";
import { emblem } from "./emblem.js";
import { buy } from "./purchase.js";

/** @typedef {import("../items.js").Item} Item */

const RARITIES = ["common", "rare", "epic", "legendary"];
const RECOMMENDED = 4;
// No timer may be set for longer.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @returns {{refresh: () => Promise<void>}} */
// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function startShelf() {
    const search = field("search");
    const category = /** @type {HTMLSelectElement} */ (byId("category"));
    const rarity = /** @type {HTMLSelectElement} */ (byId("rarity"));
    /** @type {{item_id: string, reason: string}[]} */
    let recommended = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let turning;
    const offers = question("offers", () => call("GET", "/api/market/recommendations"), () => {
        recommended = offers.body()?.recommendations ?? [];
        render();
    });

    function render() {
        const now = client.serverNow();
        const all = [...client.list("personal_items"), ...client.list("items")].map((it) => it.value);
        const offered = all.filter((it) => isOffered(it, now));
        renderCategories(offered);
        const shown = offered.filter((it) => fits(it, search.value)
            && (category.value === "" || it.category === category.value)
            && (rarity.value === "" || it.rarity === rarity.value));
        shown.sort((one, other) => one.cost_coins - other.cost_coins || one.name.localeCompare(other.name));
        say(byId("items-count"), client.status().ready ? countText(shown.length, offered.length) : "");
        fill(byId("items"), shown, (it) => it.id, (it) => [it, why(it), untilText(it)], drawItem);
        renderRecommended(offered);
        // The next window that opens or closes changes what is here, with nothing on the wire.
        clearTimeout(turning);
        const wait = untilNextWindow(all, now);
        if (wait !== Infinity) turning = setTimeout(render, Math.min(wait + 20, LONGEST_TIMER_MS));
    }

    /** @param {Item[]} offered */
    function renderCategories(offered) {
        const names = [...new Set(offered.map((it) => String(it.category)))].sort();
        const before = Array.from(category.options).slice(1).map((it) => it.value);
        if (names.length === before.length && names.every((name, at) => name === before[at])) return;
        const chosen = category.value;
        category.replaceChildren(element("option", { value: "" }, "All"),
            ...names.map((name) => element("option", { value: name }, name)));
        category.value = names.includes(chosen) ? chosen : "";
    }

    /** @param {Item[]} offered */
    function renderRecommended(offered) {
        const known = new Map(offered.map((it) => [it.id, it]));
        const rows = recommended.flatMap(({ item_id: id, reason }) => {
            const item = known.get(id);
            return item === undefined || why(item) !== null ? [] : [{ item, reason }];
        }).slice(0, RECOMMENDED);
        show(byId("recommendations"), rows.length > 0);
        fill(byId("recommended"), rows, (it) => it.item.id, (it) => it, ({ item, reason }) =>
            element("li", {}, emblem(item), element("div", {},
                element("strong", {}, item.name),
                element("p", { class: "hint" }, reasonText(reason)),
                element("button", {
                    type: "button", class: "button", "aria-label": `Buy ${item.name} for ${item.cost_coins} coins`,
                    "data-testid": `buy-recommended-${item.id}`, click: () => void buy(item),
                }, `${item.cost_coins} coins`))));
    }

    document.getElementById("filters")?.addEventListener("submit", (event) => event.preventDefault());
    for (const control of [search, category, rarity]) control.addEventListener("input", render);
    follow(render);
    return { refresh: offers.refresh };
}

/**
 * What keeps this user from buying it.
 * @param {Item} item
 */
function why(item) {
    return obstacle(item, {
        balance: client.read("wallet", "coins")?.total_coins ?? 0,
        owned: client.read("inventory", item.id)?.quantity ?? 0, now: client.serverNow(),
    });
}

/** @param {Item} item */
function drawItem(item) {
    const hindered = why(item);
    const few = item.stock_remaining > 0 && item.stock_remaining <= 20;
    return element("li", { class: "item" },
        emblem(item),
        element("div", { class: "about" },
            element("h3", {}, item.name),
            element("p", { class: "hint" }, item.description ?? ""),
            element("p", { class: "tags" },
                RARITIES.includes(item.rarity)
                    && element("span", { class: "tag", "data-rarity": item.rarity }, item.rarity),
                tag(item.category ?? ""), item.personal && tag("only yours"),
                few && tag(`${item.stock_remaining} left`),
                untilText(item) !== "" && tag(untilText(item)))),
        element("div", { class: "buy" },
            element("button", {
                type: "button", class: hindered === null ? "button primary" : "button",
                "aria-label": `Buy ${item.name} for ${item.cost_coins} coins`, "data-testid": `buy-item-${item.id}`,
                disabled: hindered !== null && !hindered.endsWith("short"),
                click: () => void buy(item),
            }, `${item.cost_coins} coins`),
            hindered !== null && element("p", { class: "hint" }, hindered)));
}

/** @param {Item} item */
function untilText({ available_until: until }) {
    return typeof until === "string" ? `until ${whenText(until)}` : "";
}

/** @param {string} text */
function tag(text) {
    return element("span", { class: "tag plain" }, text);
}

/** @param {number} shown @param {number} all */
function countText(shown, all) {
    if (all === 0) return "Nothing is offered at the moment.";
    if (shown === 0) return "Nothing fits. Try fewer words, or another category.";
    return shown === all ? `${all} items` : `${shown} of ${all} items`;
}
