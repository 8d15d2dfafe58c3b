"""The settings: one table, from which variables, flags, their help and what is refused come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.server import lockstep

ROOT = Path(__file__).resolve().parents[2]
LISTED = dict(line.split("=", 1) for line in lockstep("config").stdout.splitlines())


def flag(name: str) -> str:
    return "--" + name.removeprefix("LOCKSTEP_").lower().replace("_", "-")


def test_the_help_says_every_setting_by_its_flag_and_its_variable() -> None:
    said = " ".join(lockstep("serve", "--help").stdout.split())
    for name in LISTED:
        assert f"{flag(name)} <" in said and f"({name}, " in said, name


@pytest.mark.parametrize(("name", "value"), [
    ("LOCKSTEP_PORT", "0"), ("LOCKSTEP_DATA_DIR", "elsewhere"), ("LOCKSTEP_COOKIE_NAME", "cookie"), ("LOCKSTEP_SEED_DEMO", "off"),
])
def test_a_flag_goes_before_its_variable_and_that_before_the_default(name: str, value: str) -> None:
    by_variable = lockstep("config", env={name: value})
    assert f"{name}={value}" in by_variable.stdout.splitlines()
    assert LISTED[name] != value
    other = LISTED[name]
    by_flag = lockstep("config", flag(name), other, env={name: value})
    assert f"{name}={other}" in by_flag.stdout.splitlines()


def test_what_a_setting_cannot_be_is_refused_by_a_flag_too() -> None:
    said = lockstep("config", "--password-cost", "21")
    assert said.returncode == 1 and said.stderr == "lockstep: LOCKSTEP_PASSWORD_COST is “21”, and should be a whole number from 10 to 20\n"
    unknown = lockstep("config", "--pasword-cost", "15")
    assert unknown.returncode != 0 and "--pasword-cost" in unknown.stderr


def test_the_database_is_a_secret_and_decides_whether_the_demo_is_seeded() -> None:
    said = lockstep("config", "--database-url", "postgresql://ada:secret@localhost/x").stdout
    assert "DATABASE_URL=(set)" in said and "secret" not in said and "LOCKSTEP_SEED_DEMO=off" in said
    assert LISTED["DATABASE_URL"] == "(unset)" and LISTED["LOCKSTEP_SEED_DEMO"] == "on"


def test_the_guides_name_no_setting_that_there_is_not() -> None:
    ours = {"LOCKSTEP_VERSION", "LOCKSTEP_BINARY", "LOCKSTEP_WRITE_ERRORS"}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs/guides").glob("*.md"))]:
        named = set(re.findall(r"\bLOCKSTEP_[A-Z_]+\b", path.read_text()))
        assert named - ours <= LISTED.keys(), path
