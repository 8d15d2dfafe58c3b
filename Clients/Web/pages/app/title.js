// The title of the tab: what is seen of a page that nobody looks at.

const plain = document.title;
let running = "";
let news = "";

/** @param {string} words  of a timer that runs; empty: none does */
export function showRunning(words) {
    running = words;
    render();
}

/**
 * Stands there until somebody looks.
 * @param {string} words
 */
export function showNews(words) {
    news = document.hidden ? words : "";
    render();
}

function render() {
    const words = news === "" ? running : news;
    const title = words === "" ? plain : `${words} · ${plain}`;
    if (document.title !== title) document.title = title;
}

document.addEventListener("visibilitychange", () => {
    if (!document.hidden) showNews("");
});
