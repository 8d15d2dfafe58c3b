/**
 * Whether its name is a phone's or a tablet's.
 * @param {string} userAgent
 */
export function isPhone(userAgent: string): boolean;
/**
 * Whether this is held in a hand: a finger is what it is pointed at with, first of all. Those poll: a socket would keep
 * their radio awake. Its name decides only where the browser does not say what it can do: a tablet calls itself a desktop,
 * and a desktop may be called anything.
 */
export function isHandheld(): boolean;
/**
 * The device as a sign-in names it.
 * @param {string} userAgent
 * @param {boolean} [handheld]  what it can do says so
 * @returns {{name: string, kind: "web" | "mobile"}} for example {name: "Chromium on Linux", kind: "web"}
 */
export function describeDevice(userAgent: string, handheld?: boolean | undefined): {
    name: string;
    kind: "web" | "mobile";
};
