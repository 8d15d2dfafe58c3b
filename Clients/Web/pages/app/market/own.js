// Rewards that users make for themselves: create, change, delete.

import { makeId } from "../../../shell/ids.js";
import { lengthOf, tidy } from "../../../text.js";
import { ask, byId, element, field, fill, say, show, toast } from "../dom.js";
import { limit, onSubmit, wrong } from "../form.js";
import { client, complain, follow } from "../frame.js";
import { problemText } from "../problems.js";
import { call } from "../rest.js";

/** @typedef {import("../items.js").Item} Item */

// By the server's count.
const LONGEST = /** @type {ReadonlyArray<[string, number]>} */ ([["own-name", 200], ["own-description", 2_000]]);

/** @param {HTMLInputElement} input */
function tooLong(input) {
    const most = LONGEST.find(([id]) => id === input.id)?.[1] ?? Infinity;
    return lengthOf(tidy(input.value)) > most ? `At most ${most} characters.` : null;
}

// oxlint-disable-next-line max-lines-per-function -- what its short functions share is held here
export function startOwn() {
    const form = /** @type {HTMLFormElement} */ (byId("own-form"));
    const name = field("own-name");
    const cost = field("own-cost");
    const description = field("own-description");
    /**
     * The one that is being changed.
     * @type {string | null}
     */
    let editing = null;

    /** @param {Item | null} item */
    function edit(item) {
        editing = item?.id ?? null;
        name.value = item?.name ?? "";
        cost.value = item === null ? "" : String(item.cost_coins);
        description.value = item?.description ?? "";
        for (const input of [name, cost, description]) wrong(input, null);
        say(byId("own-form-title"), item === null ? "A new one" : `Change ${item.name}`);
        say(byId("own-save"), item === null ? "Create" : "Save");
        show(byId("own-cancel"), item !== null);
        if (item !== null) name.focus();
    }

    function check() {
        const price = Number(cost.value);
        const good = cost.value.trim() !== "" && Number.isSafeInteger(price) && price >= 0;
        wrong(cost, good ? null : "A whole number of coins, 0 or more.");
        const words = tidy(name.value) === "" ? "What you will allow yourself." : tooLong(name);
        wrong(description, tooLong(description));
        wrong(name, words);
        return good && words === null && tooLong(description) === null;
    }

    for (const [input, most] of LONGEST.map(([id, most]) => /** @type {const} */ ([field(id), most]))) {
        limit(input, most, () => wrong(input, `At most ${most} characters: the rest was left out.`));
    }
    // The same key for the same words: sent again after a lost answer, it is created once.
    let key = makeId();
    form.addEventListener("input", () => {
        key = makeId();
    });
    onSubmit(form, async () => {
        if (!check()) return;
        complain(null);
        const body = { name: tidy(name.value), cost_coins: Number(cost.value), description: tidy(description.value) };
        const { ok, problem } = editing === null
            ? await call("POST", "/api/market/items", body, key)
            : await call("PATCH", `/api/market/items/${editing}`, body, key);
        if (ok) {
            key = makeId();
            return edit(null);
        }
        const fields = { "/name": name, "/cost_coins": cost, "/description": description };
        for (const { pointer } of problem?.errors ?? []) {
            const input = fields[/** @type {keyof typeof fields} */ (pointer)];
            if (input !== undefined) return wrong(input, "The server does not take this.");
        }
        complain(problemText(problem));
    });
    byId("own-cancel").addEventListener("click", () => edit(null));

    /** @param {Item} item */
    async function remove(item) {
        const sure = await ask({
            title: `Delete ${item.name}?`, text: ["What you bought of it stays in your inventory."],
            yes: "Delete", testId: "confirm-delete", grave: true,
        });
        if (!sure) return;
        const { ok, problem } = await call("DELETE", `/api/market/items/${item.id}`, undefined, makeId());
        if (!ok) return complain(problemText(problem));
        if (editing === item.id) edit(null);
        toast(`${item.name} is deleted.`);
    }

    follow(() => {
        const items = client.list("personal_items").map((it) => it.value);
        fill(byId("own"), items, (it) => it.id, (it) => it, (item) => element("li", { class: "row" },
            element("div", {},
                element("strong", {}, item.name),
                element("p", { class: "hint" }, `${item.cost_coins} coins`)),
            element("div", { class: "buttons" },
                element("button", {
                    type: "button", class: "button quiet", "aria-label": `Change ${item.name}`,
                    "data-testid": `edit-own-${item.id}`, click: () => edit(item),
                }, "Change"),
                element("button", {
                    type: "button", class: "button quiet bad", "aria-label": `Delete ${item.name}`,
                    "data-testid": `delete-own-${item.id}`, click: () => void remove(item),
                }, "Delete"))));
    });
}
