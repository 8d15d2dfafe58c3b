// The features that this client knows, one line each. docs/guides/add-a-feature.md walks through one.

import { flags } from "./flags.js";
import { focus } from "./focus.js";
import { market } from "./market.js";
import { settings } from "./settings.js";

/** @type {ReadonlyArray<import("../sync/types.js").Feature>} */
export const features = [settings, focus, market, flags];
