/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: signed in
 */
export function signIn(email: string, password: string): Promise<Problem | null>;
/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Problem | null>} null: the account exists and this device is signed in
 */
export function register(email: string, password: string): Promise<Problem | null>;
/**
 * Ends this device's session, and forgets what was shown. Changes that wait to be sent stay, for the same user's next
 * sign-in here.
 * @returns {Promise<Problem | null>} null: signed out, also when the session had ended already
 */
export function signOut(): Promise<Problem | null>;
export type Problem = import("./contract.js").Problem;
