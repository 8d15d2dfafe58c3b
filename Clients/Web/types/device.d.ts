/**
 * Whether this is a phone or a tablet. Those poll: a socket would keep their radio awake.
 * @param {string} userAgent
 */
export function isPhone(userAgent: string): boolean;
/**
 * The device as a sign-in names it.
 * @param {string} userAgent
 * @returns {{name: string, kind: "web" | "mobile"}} for example {name: "Chromium on Linux", kind: "web"}
 */
export function describeDevice(userAgent: string): {
    name: string;
    kind: "web" | "mobile";
};
