// Runs before the first paint, as a classic script in <head>: the server resolved `system` by a header that not every
// browser sends, so only here is it known for certain. Whoever changes `data-theme-choice` later changes the rest too.
(() => {
    "use strict";
    const root = document.documentElement;
    const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

    const resolve = () => {
        const choice = root.dataset.themeChoice;
        const theme = choice === "light" || choice === "dark" ? choice : prefersDark.matches ? "dark" : "light";
        if (root.dataset.theme !== theme) root.dataset.theme = theme;
        // The browser's own frame around the page goes with it, whatever the system prefers.
        const colour = theme === "dark" ? "#121118" : "#f5f4f0";
        for (const meta of document.querySelectorAll("meta[name=theme-color]")) meta.setAttribute("content", colour);
    };

    resolve();
    prefersDark.addEventListener("change", resolve);
    new MutationObserver(resolve).observe(root, { attributeFilter: ["data-theme-choice"] });
})();
