// The market page: its parts, and what they ask the server for together.

import { client, follow } from "./frame.js";
import { startInventory } from "./market/inventory.js";
import { startLedger } from "./market/ledger.js";
import { startOwn } from "./market/own.js";
import { startRewards } from "./market/rewards.js";
import { startShelf } from "./market/shelf.js";

// The server works out anew what it recommends within this after a purchase.
const RECOMMENDED_AGAIN_MS = 10_000;

const shelf = startShelf();
const ledger = startLedger();
const inventory = startInventory(ledger.movements);
startRewards();
startOwn();
ledger.onChange(inventory.render);

/** @type {number | null} */
let wallet = null;
let reached = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;

follow(() => {
    const { connection, ready } = client.status();
    const now = connection === "realtime" || connection === "polling";
    const state = ready ? client.list("wallet")[0]?.version ?? 0 : null;
    if (now && (!reached || state !== wallet)) {
        void ledger.refresh();
        void shelf.refresh();
        clearTimeout(later);
        later = setTimeout(() => void shelf.refresh(), RECOMMENDED_AGAIN_MS);
    }
    wallet = state;
    reached = now;
});
