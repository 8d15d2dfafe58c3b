// Rewards that the server granted and the user has not claimed.

import { byId, element, fill, show } from "../dom.js";
import { act, client, follow } from "../frame.js";

/** @type {Record<string, string>} */
const REWARDS = {
    first_focus: "Your first focus session",
    focus_10: "Ten focus sessions",
    focus_100: "A hundred focus sessions",
    streak_7: "Seven days in a row",
    daily_login: "Here today",
    first_purchase: "Your first purchase",
};

/** @param {string} type */
export function rewardText(type) {
    return REWARDS[type] ?? "A reward";
}

export function startRewards() {
    follow(() => {
        const open = client.list("rewards").filter((it) => it.value.claimed !== true);
        show(byId("rewards"), open.length > 0);
        fill(byId("reward-rows"), open, (it) => it.id, (it) => it.value, draw);
    });
}

/** @param {import("../../../client.js").Listed} reward */
function draw({ id, value }) {
    return element("li", { class: "row" },
        element("div", {},
            element("strong", {}, rewardText(value.reward_type)),
            element("p", { class: "hint" }, `${value.coins_earned} coins`)),
        element("button", {
            type: "button", class: "button primary", "data-testid": `claim-${id}`,
            "aria-label": `Claim ${value.coins_earned} coins: ${rewardText(value.reward_type)}`,
            click: () => void act("market.claim", { reward_id: id }),
        }, "Claim"));
}
