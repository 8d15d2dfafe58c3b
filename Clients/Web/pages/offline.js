// The page that stands in for one that needs the server: goes on to it as soon as the server answers.

const FIRST_MS = 2_000;
const LONGEST_MS = 30_000;
const words = document.getElementById("waiting");
let pause = FIRST_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asking = false;

/** @param {boolean} [wanted]  a person asked for it, and is told how it went */
async function look(wanted = false) {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    const abort = new AbortController();
    const deadline = setTimeout(() => abort.abort(), 5_000);
    try {
        const answer = await fetch("/healthz", { cache: "no-store", signal: abort.signal });
        if (answer.ok) return location.reload();
    } catch {
        // Not yet.
    } finally {
        clearTimeout(deadline);
        asking = false;
    }
    if (wanted && words !== null) words.textContent = "Still no answer. This page goes on by itself as soon as there is one.";
    timer = setTimeout(() => void look(), pause);
    pause = Math.min(pause * 1.5, LONGEST_MS);
}

document.getElementById("again")?.addEventListener("click", () => void look(true));
addEventListener("online", () => void look());
document.addEventListener("visibilitychange", () => !document.hidden && void look());
timer = setTimeout(() => void look(), pause);

// A module, whose names are its own.
export {};
