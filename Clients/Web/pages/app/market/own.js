// Rewards that the user makes for himself: create, change, delete.

import { makeId } from "../../../shell/ids.js";
import { ask, byId, element, field, fill, say, show, toast } from "../dom.js";
import { onSubmit, wrong } from "../form.js";
import { client, complain, follow } from "../frame.js";
import { call } from "../rest.js";

/** @typedef {import("../items.js").Item} Item */

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
        wrong(name, name.value.trim() === "" ? "What you will allow yourself." : null);
        return good && name.value.trim() !== "";
    }

    // The same key for the same words: sent again after a lost answer, it is created once.
    let key = makeId();
    form.addEventListener("input", () => {
        key = makeId();
    });
    onSubmit(form, async () => {
        if (!check()) return;
        complain(null);
        const body = { name: name.value.trim(), cost_coins: Number(cost.value), description: description.value.trim() };
        const { ok, problem } = editing === null
            ? await call("POST", "/api/market/items", body, key)
            : await call("PATCH", `/api/market/items/${editing}`, body, key);
        if (ok) {
            key = makeId();
            return edit(null);
        }
        const fields = { "/name": name, "/cost_coins": cost, "/description": description };
        for (const { pointer, detail } of problem?.errors ?? []) {
            const input = fields[/** @type {keyof typeof fields} */ (pointer)];
            if (input !== undefined) return wrong(input, detail);
        }
        complain(problem?.detail ?? null);
    });
    byId("own-cancel").addEventListener("click", () => edit(null));

    /** @param {Item} item */
    async function remove(item) {
        const sure = await ask({
            title: `Delete ${item.name}?`, text: ["What you bought of it stays in your inventory."],
            yes: "Delete", testId: "confirm-delete",
        });
        if (!sure) return;
        const { ok, problem } = await call("DELETE", `/api/market/items/${item.id}`, undefined, makeId());
        if (!ok) return complain(problem?.detail ?? null);
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
