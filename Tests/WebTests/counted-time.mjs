// Timers whose time is counted, not measured: what is due first happens first, as soon as nothing else is left to do. What
// a test says of waiting holds on a busy machine too.

let now = 0;
let timers = [];

export function setTimeout(act, milliseconds = 0, ...given) {
    const timer = { at: now + milliseconds, act: () => act(...given) };
    timers.push(timer);
    return timer;
}

export function clearTimeout(timer) {
    timers = timers.filter((it) => it !== timer);
}

setImmediate(function next() {
    const due = timers.reduce((first, it) => (first === undefined || it.at < first.at ? it : first), undefined);
    if (due !== undefined) {
        now = due.at;
        clearTimeout(due);
        due.act();
    }
    setImmediate(next);
});
