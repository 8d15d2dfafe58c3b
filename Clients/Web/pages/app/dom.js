// Making and changing what a page shows. Text goes in as text: nothing that a user wrote can become markup.

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`the page has no #${id}`);
    return found;
}

/** @param {string} id @returns {HTMLElement} */
export function byTestId(id) {
    const found = document.querySelector(`[data-testid="${CSS.escape(id)}"]`);
    if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${id}`);
    return found;
}

/** @param {string} id @returns {HTMLInputElement} */
export function field(id) {
    return /** @type {HTMLInputElement} */ (byId(id));
}

/** @typedef {Record<string, string | number | boolean | null | ((event: any) => void)>} Attributes */
/** @typedef {Node | string | null | false} Child */

/**
 * An element. An attribute that is a function listens to the event of that name, and a double click is one click to it;
 * false and null leave one out.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
    return /** @type {HTMLElementTagNameMap[Name]} */ (filled(document.createElement(name), attributes, children));
}

/**
 * The same for a drawing.
 * @param {string} name
 * @param {Attributes} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function drawing(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    return /** @type {SVGElement} */ (filled(made, attributes, children));
}

/** @param {Element} made @param {Attributes} attributes @param {Child[]} children */
function filled(made, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(key, key === "click" ? once(value) : value);
        else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : String(value));
    }
    made.append(...present(children));
    return made;
}

/**
 * The second click of a double click, which nobody meant, does nothing. One by keyboard has no count.
 * @param {(event: any) => void} act
 * @returns {(event: any) => void}
 */
function once(act) {
    return (event) => {
        if (event.detail <= 1) act(event);
    };
}

/** @param {Child[]} children */
function present(children) {
    return /** @type {(Node | string)[]} */ (children.filter((it) => it !== null && it !== false));
}

/**
 * Sets a text where it is another, so that nothing is read out twice.
 * @param {Element} place @param {string} text
 */
export function say(place, text) {
    if (place.textContent !== text) place.textContent = text;
}

/** @param {HTMLElement} place @param {boolean} visible */
export function show(place, visible) {
    if (place.hidden === visible) place.hidden = !visible;
}

/**
 * Puts rows into a list by their keys: a row that says the same stays the element it was, with the focus in it.
 * @template T
 * @param {Element} list
 * @param {ReadonlyArray<T>} rows
 * @param {(row: T) => string} keyOf
 * @param {(row: T) => unknown} sense  two rows with equal senses look the same
 * @param {(row: T) => Element} draw
 */
export function fill(list, rows, keyOf, sense, draw) {
    const known = new Map(Array.from(list.children, (it) => [/** @type {HTMLElement} */ (it).dataset.key, it]));
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const at = focused?.dataset.testid;
    const now = rows.map((row) => {
        const key = keyOf(row);
        const words = JSON.stringify(sense(row));
        const before = known.get(key);
        if (before !== undefined && senses.get(before) === words) return before;
        const made = /** @type {HTMLElement} */ (draw(row));
        made.dataset.key = key;
        senses.set(made, words);
        return made;
    });
    if (now.length === list.children.length && now.every((it, index) => it === list.children[index])) return;
    list.replaceChildren(...now);
    // Moving an element takes the focus from it, and a row drawn anew has another element in its place.
    const again = at === undefined ? focused : list.querySelector(`[data-testid="${CSS.escape(at)}"]`) ?? focused;
    if (again instanceof HTMLElement && document.activeElement !== again && list.contains(again)) again.focus();
}

/** @type {WeakMap<Element, string>} */
const senses = new WeakMap();

const TOAST_MS = 12_000;
// More of them would cover the page.
const MOST_TOASTS = 3;

/**
 * Says for a moment what has happened, with a button where something can be done about it. What was said before stays for
 * its own time, below; and longer while somebody is at it.
 * @param {string} words
 * @param {{label: string, testId: string, act: () => void}} [offer]
 */
export function toast(words, offer) {
    const place = byId("toast");
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const row = element("span", { class: "toast" }, element("span", {}, words));
    /** @type {EventTarget | null} */
    let from = null;
    const leave = () => {
        clearTimeout(timer);
        const held = row.contains(document.activeElement);
        row.remove();
        // Who was at it by keyboard goes on where they came from.
        if (held) (from instanceof HTMLElement && from.isConnected ? from : byId("main")).focus();
    };
    const wait = () => {
        clearTimeout(timer);
        if (!row.matches(":hover, :focus-within")) timer = setTimeout(leave, TOAST_MS);
    };
    row.addEventListener("focusin", (event) => {
        if (!row.contains(/** @type {Node | null} */ (event.relatedTarget))) from = event.relatedTarget;
    });
    if (offer !== undefined) {
        row.append(element("button", {
            type: "button", class: "button quiet", "data-testid": offer.testId,
            click: () => {
                leave();
                offer.act();
            },
        }, offer.label));
    }
    for (const name of ["pointerenter", "focusin"]) row.addEventListener(name, () => clearTimeout(timer));
    for (const name of ["pointerleave", "focusout"]) row.addEventListener(name, () => setTimeout(wait));
    place.prepend(row);
    // One that offers nothing goes first.
    while (place.children.length > MOST_TOASTS) {
        const rows = Array.from(place.children).reverse();
        (rows.find((it) => it.querySelector("button") === null) ?? rows[0])?.remove();
    }
    wait();
}

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {Child[]} text
 * @property {string} yes
 * @property {string} [no]
 * @property {string} testId  of the button that says yes
 * @property {() => boolean} [ready]  whether yes can be said now
 * @property {boolean} [grave]  yes destroys something
 */

/**
 * Asks before something is done that costs. Escape and "cancel" mean no; a double click means yes once.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, yes, no = "Cancel", testId, ready = () => true, grave = false }) {
    const dialog = /** @type {HTMLDialogElement} */ (byId("ask"));
    if (dialog.open) return Promise.resolve(false);
    // One that was just closed has its answer now: its event, still to come, would find this one open.
    dialog.dispatchEvent(new Event("close"));
    byId("ask-title").textContent = title;
    byId("ask-text").replaceChildren(...present(text));
    byId("ask-no").textContent = no;
    const button = byId("ask-yes");
    button.textContent = yes;
    button.className = grave ? "button bad filled" : "button primary";
    button.dataset.testid = testId;
    return new Promise((resolve) => {
        const done = new AbortController();
        const { signal } = done;
        button.addEventListener("click", (event) => {
            // The second click of a double click that opened the dialog means nothing here.
            if (event.detail <= 1 && ready()) dialog.close("yes");
        }, { signal });
        dialog.addEventListener("close", () => {
            // The event comes after the closing: it may be the question's before, which was asked again at once.
            if (dialog.open) return;
            done.abort();
            delete button.dataset.testid;
            resolve(dialog.returnValue === "yes");
        }, { signal });
        dialog.returnValue = "";
        dialog.showModal();
        byId("ask-no").focus();
    });
}
