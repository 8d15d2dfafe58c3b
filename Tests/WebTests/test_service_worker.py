"""The service worker gives a page whatever of network and cache there is, and holds up none that could be shown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PAGES = ("/app/focus", "/", "/web/client.js")


def worker(*arguments: str) -> str:
    ran = subprocess.run(["node", "worker.mjs", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=30, check=True)
    return ran.stdout.strip()


def got(network: str, cache: str, path: str) -> str:
    return worker(network, cache, path)


def test_the_files_of_one_page_are_of_one_release_and_wait_once() -> None:
    assert worker("files") == "kept /web/client.js, kept /web/theme.js, network"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cache", ["refuses", "throws", "silent", "empty", "full"])
def test_whatever_a_cache_does_a_page_comes_from_the_network(cache: str, path: str) -> None:
    assert got("works", cache, path) == "network"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cache", ["refuses", "throws", "silent", "empty"])
def test_a_slow_network_is_waited_for_where_the_cache_has_nothing(cache: str, path: str) -> None:
    assert got("slow", cache, path) == "network"


@pytest.mark.parametrize("cache", ["refuses", "throws", "silent", "empty"])
def test_the_server_s_own_words_are_shown_where_there_are_no_others(cache: str) -> None:
    assert got("fails", cache, "/app/focus") == "sorry"
    assert got("away", cache, "/app/focus") == "error"


@pytest.mark.parametrize(("network", "path", "text"), [
    ("away", "/app/focus", "kept /web/pages/focus.html"), ("silent", "/app/focus", "kept /web/pages/focus.html"),
    ("fails", "/app/focus", "kept /web/pages/focus.html"), ("away", "/", "kept /web/pages/offline.html"),
    ("silent", "/web/client.js", "kept /web/client.js"),
])
def test_what_is_kept_is_shown_where_the_network_brings_nothing(network: str, path: str, text: str) -> None:
    assert got(network, "full", path) == text


def test_a_click_on_a_notification_brings_the_open_page_to_the_front_and_opens_no_second_one() -> None:
    assert worker("click") == "the open page"
