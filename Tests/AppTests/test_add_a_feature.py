"""`scripts/new-feature` makes a feature, and docs/guides/add-a-feature.md makes habits of it.

What takes no building is tested here: the blocks apply, the database takes the rules, the client's rule does what its vectors say. `make
test-guide` builds the feature and runs its tests, and then the last one here against the server that was built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from harness import Database, Server, lockstep
from harness.guide import blocks, build

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guides/add-a-feature.md").read_text()


def copy(place: Path) -> Path:
    """The sources, without what was built."""
    for name in ("App", "Clients", "Migrations", "Modules", "Tests/WebTests", "docs/guides", "scripts"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    (place / "Tests/AppTests").mkdir()
    for name in ("Package.swift", ".swift-format", "Tests/AppTests/test_two_users.py"):
        shutil.copy(ROOT / name, place / name)
    return place


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return copy(tmp_path / "clone")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all that are refused and so change nothing."""
    return copy(tmp_path_factory.mktemp("untouched") / "clone")


@pytest.fixture
def commit(clone: Path) -> Path:
    """The same under git, with all of it committed."""
    git(clone, "init", "--quiet")
    git(clone, "add", ".")
    git(clone, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", "All of it")
    return clone


def git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=clone, capture_output=True, text=True, timeout=60, check=True).stdout


def new_feature(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "scripts/new-feature"), *arguments], cwd=clone, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def habits(clone: Path) -> Path:
    """The same with the guide's feature."""
    made = new_feature(clone, "habits")
    assert made.returncode == 0, made.stdout + made.stderr
    assert len(build(clone, GUIDE)) >= 12
    return clone


def test_it_says_what_it_made_and_touches_seven_files_besides(clone: Path) -> None:
    before = {it: it.read_bytes() for it in clone.rglob("*") if it.is_file()}
    made = new_feature(clone, "habits")
    assert made.returncode == 0, made.stdout + made.stderr
    changed = {str(it.relative_to(clone)) for it, text in before.items() if it.read_bytes() != text}
    new = {str(it.relative_to(clone)) for it in clone.rglob("*") if it.is_file() and it not in before}
    assert changed == {
        "App/Features/Features.swift", "Clients/Vectors/optimistic.json", "Clients/Web/features/index.js", "Clients/Web/openapi.json",
        "Package.swift", "Tests/AppTests/test_two_users.py", "docs/guides/web-client.md"}
    assert "Modules/Habits/Habit.swift" in new and all(it in made.stdout for it in changed | new)
    assert all(it in GUIDE or it.endswith("web-client.md") for it in changed)
    assert not [it for it in new if "idget" in (clone / it).read_text() + it]


def test_a_feature_stands_in_its_place_by_name_in_the_package(clone: Path) -> None:
    for noun in ("habits", "trips"):
        assert new_feature(clone, noun).returncode == 0
    listed = re.findall(r'^    feature\(\s*"(\w+)"', (clone / "Package.swift").read_text(), re.MULTILINE)
    assert listed == sorted(listed) and {"Habits", "Trips"} < set(listed)


def test_what_begins_with_a_vowel_is_spoken_of_so(clone: Path) -> None:
    made = new_feature(clone, "events")
    assert made.returncode == 0 and "each of them an event" in made.stdout, made.stdout + made.stderr
    assert not [it for it in clone.rglob("*") if it.is_file() and re.search(r"\b[Aa] event\b", it.read_text(errors="replace"))]


@pytest.mark.parametrize(("arguments", "why"), [
    ([], "which feature? A plural noun in lower case: `scripts/new-feature habits`"),
    (["Trips"], "in lower case: `scripts/new-feature trips`"),
    (["item_x"], "“item_x” is no noun of 3 to 24 letters a to z"),
    (["trip"], "did you mean `scripts/new-feature trips`?"),
    (["diary"], "did you mean `scripts/new-feature diaries`?"),
    (["glass"], "did you mean `scripts/new-feature glasses`?"),
    (["trip", "trips"], "the plural first: `scripts/new-feature trips trip`"),
    (["entry", "entries"], "the plural first: `scripts/new-feature entries entry`"),
    (["trips", "trips"], "the plural and the singular must differ"),
    (["buses"], "Say both, as in `scripts/new-feature entries entry`: `scripts/new-feature buses SINGULAR`"),
    (["statuses"], "Say both"), (["series"], "Say both"), (["status"], "Say both"), (["movies"], "Say both"), (["heroes"], "Say both"),
    (["users"], "“users” cannot be: its singular “user” means something else to SQL, to Swift or here; take another noun"),
    (["classes"], "its singular “class” means something else"), (["class"], "“class” means something else"),
    (["flags"], "there is a module called Flags; take another noun"),
    (["sync"], "there is a module called Sync; take another noun"), (["sync", "syncing"], "there is a module called Sync"),
    (["items"], "has an item_body already; take another noun"),
])
def test_what_cannot_be_a_feature_is_refused_with_what_can(untouched: Path, arguments: list[str], why: str) -> None:
    refused = new_feature(untouched, *arguments)
    assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    # No noun is made up: it would be no good one.
    assert "new-feature my" not in refused.stderr
    assert (untouched / "Package.swift").read_text() == (ROOT / "Package.swift").read_text()


@pytest.mark.parametrize(("arguments", "singular"), [
    (["boxes"], "Box"), (["glasses"], "Glass"), (["wishes"], "Wish"), (["plans"], "Plan"), (["essays"], "Essay"),
    (["entries", "entry"], "Entry"), (["children", "child"], "Child"),
])
def test_the_singular_is_found_or_taken_as_it_is_said(clone: Path, arguments: list[str], singular: str) -> None:
    made = new_feature(clone, *arguments)
    assert made.returncode == 0, made.stderr
    assert (clone / f"Modules/{arguments[0].capitalize()}/{singular}.swift").exists()


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_who_asks_for_help_is_helped(untouched: Path, asked: str) -> None:
    helped = new_feature(untouched, asked)
    assert helped.returncode == 0 and "scripts/new-feature entries entry" in helped.stdout and not helped.stderr


@pytest.mark.parametrize("half", ["all of it", "without its folder", "without its files", "without its lines"])
def test_what_is_made_wholly_or_half_is_refused_with_the_way_back(commit: Path, half: str) -> None:
    made = new_feature(commit, "habits")
    assert made.returncode == 0, made.stderr
    if half == "without its folder":
        shutil.rmtree(commit / "Modules/Habits")
    elif half == "without its files":
        git(commit, "clean", "--quiet", "--force", "-d")
    elif half == "without its lines":
        git(commit, "checkout", "--quiet", "HEAD", "--", ".")
    refused = new_feature(commit, "habits")
    assert refused.returncode == 1 and "Habits is there already, or half of it. To undo it" in refused.stderr
    way = refused.stderr
    assert half != "all of it" or made.stdout.splitlines()[-2:] == way.splitlines()[-2:]
    assert "takes away your other changes" in way
    for command in way.splitlines()[1:]:
        subprocess.run(["bash", "-euc", command], cwd=commit, check=True, timeout=60, capture_output=True)
    assert git(commit, "status", "--porcelain", "--untracked-files=all") == ""


def test_what_is_committed_is_never_undone(commit: Path) -> None:
    refused = new_feature(commit, "flags")
    assert refused.returncode == 1 and "there is a module called Flags; take another noun" in refused.stderr
    assert "rm -r" not in refused.stderr


def test_the_document_says_of_every_mutation_what_it_takes(habits: Path) -> None:
    for document in (ROOT / "Clients/Web/openapi.json", habits / "Clients/Web/openapi.json"):
        mutation = json.loads(document.read_text())["components"]["schemas"]["Mutation"]["properties"]
        said = mutation["args"]["description"]
        assert not [it for it in mutation["name"]["enum"] if f"`{it}`" not in said], said
    assert said.endswith("; `habits.set`: {id, name}; `habits.done`: {id}.")


def test_the_page_of_the_web_client_lists_the_collection(habits: Path) -> None:
    assert ", `flags`, `habits`.\n" in (habits / "docs/guides/web-client.md").read_text()


def test_the_vectors_of_the_guide_hold_for_its_client_rule(habits: Path) -> None:
    run = subprocess.run(
        ["node", str(habits / "Tests/WebTests/vectors.mjs"), str(habits / "Clients/Vectors")], capture_output=True, text=True,
        timeout=60, check=True)
    faults = {it["name"]: it["fault"] for it in map(json.loads, run.stdout.splitlines()) if "habit" in it["name"]}
    assert len(faults) == 8 and set(faults.values()) == {None}, faults


def test_the_rules_of_the_guide_decide_in_a_database_and_go_again(habits: Path, database: Database) -> None:
    assert lockstep("migrate", "up", env={"DATABASE_URL": database.url}).returncode == 0
    (up,), (down,) = habits.glob("Migrations/*_habits.sql"), habits.glob("Migrations/*_habits.down.sql")
    with database.connect() as connection:
        connection.autocommit = False

        def rows(statement: str, *parameters: Any) -> list[dict[str, Any]]:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

        connection.execute(up.read_text().encode())
        (schema,) = rows("SELECT nspname FROM pg_namespace WHERE nspname ^@ 'rules_'")
        rows(f"SET search_path = {schema['nspname']}, public")
        connection.execute((habits / "Modules/Habits/Storage/habits.sql").read_text().encode())
        user, device, habit = (str(uuid.uuid4()) for _ in range(3))

        def mutate(name: str, version: int, args: dict[str, Any]) -> dict[str, Any]:
            (row,) = rows(
                f"""SELECT r.status, r.problem, r.output FROM {name}(
                    ROW(%s, %s, gen_random_uuid(), '', %s::json, NULL, NULL, NULL, clock_timestamp())::mutation,
                    ROW(NULL, NULL, %s, %s, false, NULL, NULL, NULL, NULL, NULL)::mutation_result) r""",
                user, device, json.dumps(args), version, version)
            return row

        assert mutate("habits_set", 0, {"id": habit, "name": "Walk"})["output"] == {
            "id": habit, "name": "Walk", "days": 0, "done_on": None}
        assert mutate("habits_done", 1, {"id": habit})["output"]["days"] == 1
        assert mutate("habits_done", 2, {"id": habit})["problem"]["code"] == "done_already"
        assert rows("SELECT id, version FROM habits_documents") == [{"id": habit, "version": 2}]
        rows(f"DROP SCHEMA {schema['nspname']} CASCADE")
        connection.execute(down.read_text().encode())
        connection.rollback()


@pytest.mark.guide
def test_what_the_guide_says_to_paste_marks_a_habit_from_two_devices(shared_server: Server, tmp_path: Path) -> None:
    commands = [body for place, body in blocks(GUIDE, "sh") if "LOCKSTEP=" in body]
    assert len(commands) == 1
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands[0]], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "LOCKSTEP": shared_server.url}, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count('"code":"done_already"') == 1, done.stdout
    last = json.loads(done.stdout[done.stdout.rindex('{"habits"'):])["habits"]
    assert [(it["name"], it["days"]) for it in last] == [("Walk", 1)]
