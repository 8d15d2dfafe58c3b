"""The end of a session is told when it is there, once, and not before: whatever the clocks of the device do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent
DONE = "Focus session done. Well done!"


def told(case: str) -> list[tuple[float, str, str]]:
    """What the page says in a world of its own: how long after the end, where, and in which words."""
    ran = subprocess.run(["node", "ending.mjs", case], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return [tuple(it) for it in json.loads(ran.stdout)]


def told_once(case: str, words: str = DONE) -> float:
    said = [(after, text) for after, where, text in told(case) if where == "toast"]
    assert [text for _, text in said] == [words]
    return said[0][0]


def test_a_clock_that_somebody_sets_forward_ends_no_session_and_its_real_end_is_told() -> None:
    assert 0 <= told_once("a clock set forward") < 1_000
    assert 0 <= told_once("a clock set forward to the end") < 1_000


def test_an_end_that_was_slept_over_is_told_without_a_connection_too() -> None:
    assert 5_000 <= told_once("a sleep over the end, without a connection") < 15_000


def test_a_hidden_tab_that_slept_a_while_tells_the_end_in_time() -> None:
    (after, where, words), *more = told("a short sleep of a hidden tab")
    assert (where, words) == ("title", "Session done · Focus")
    assert 0 <= after < 1_000
    assert more == []


def test_a_session_that_another_device_completes_as_soon_as_it_may_is_told() -> None:
    assert -2_000 <= told_once("another device completes it a moment earlier") < 0


def test_the_server_s_rounding_of_an_end_is_no_second_end() -> None:
    told_once("its end is rounded when the server has it")


def test_the_next_page_of_a_tab_does_not_tell_what_this_one_told() -> None:
    told_once("the next page, a moment later")


def test_what_is_told_while_nobody_looks_is_still_there_for_who_does() -> None:
    said = told("a late end, while nobody looks")
    assert [(where, words) for _, where, words in said] == [
        ("title", "Session done · Focus"), ("toast", "Your focus session ended at 12:25.")]
    assert said[1][0] > said[0][0]
