// A timer that goes on where the page's own ring once a minute at most: on a page that nobody looks at.

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {MessageEvent<number | null>} event  milliseconds; null: not at all */
self.onmessage = ({ data }) => {
    clearTimeout(timer);
    if (data !== null) timer = setTimeout(() => self.postMessage(null), data);
};
