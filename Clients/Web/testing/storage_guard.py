"""For any app's Playwright tests: fails a test in which the app wrote to localStorage what belongs on the server.

    from storage_guard import forbid_local_persistence

    def test_a_tour(context, page):
        with forbid_local_persistence(context, allow=["ui.*"]):
            page.goto("/")
            ...

Needs nothing but `playwright` (sync API). Every write counts, also one that was removed again, in every page of the context.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

from playwright.sync_api import BrowserContext

# Runs in every page before anything of its own. What is written by `localStorage.key = value` has no function to wrap: it
# is found by looking, now and again and when the page goes.
_WATCH = """
(() => {
    if (window.lockstepStorageWatched) return;
    window.lockstepStorageWatched = true;
    const say = (key) => void window.lockstepStorageWrite(String(key));
    const setItem = Storage.prototype.setItem;
    Storage.prototype.setItem = function (key, value) {
        if (this === window.localStorage) say(key);
        return setItem.call(this, key, value);
    };
    const look = () => Object.keys(window.localStorage).forEach(say);
    try {
        look();
        setInterval(look, 250);
        addEventListener("pagehide", look);
    } catch {
        // A page that has no storage, such as about:blank, writes to none.
    }
})();
"""


class ForbiddenKeys(AssertionError):
    """Which keys were written that may not be."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"written to localStorage, where nothing but cosmetic keys belong: {', '.join(keys)}")
        self.keys = list(keys)


class LocalPersistence:
    """Watches a context from now on. `written` are all keys so far; `check` raises for those that are not allowed."""

    def __init__(self, context: BrowserContext, allow: Sequence[str] = ()) -> None:
        self.context = context
        self.allow = tuple(allow)
        self.written: set[str] = set()
        context.expose_binding("lockstepStorageWrite", self._wrote)
        context.add_init_script(_WATCH)
        for page in context.pages:
            page.evaluate(_WATCH)

    def forbidden(self) -> list[str]:
        """The keys that were written and are not allowed, also by pages that are closed by now."""
        for origin in self.context.storage_state()["origins"]:
            self.written.update(item["name"] for item in origin["localStorage"])
        return sorted(key for key in self.written
                      if not any(fnmatch.fnmatchcase(key, pattern) for pattern in self.allow))

    def check(self) -> None:
        if keys := self.forbidden():
            raise ForbiddenKeys(keys)

    def _wrote(self, _source: Any, key: str) -> None:
        self.written.add(key)


@contextlib.contextmanager
def forbid_local_persistence(context: BrowserContext, allow: Sequence[str] = ()) -> Iterator[LocalPersistence]:
    """Fails when it is left, unless the test has failed by itself. `allow` are shell patterns: `ui.*`."""
    watch = LocalPersistence(context, allow)
    yield watch
    watch.check()
