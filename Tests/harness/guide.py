"""What docs/guides/add-a-feature.md says to change, carried out."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[tuple[str, str]]:
    """The blocks of a language, each with what stands behind it: for a whole file its path."""
    return [(place, body) for kind, place, body in BLOCK.findall(text) if kind == language]


def path(root: Path, name: str) -> Path:
    """NNNN stands for whatever number the migration got."""
    if "NNNN" not in name:
        return root / name
    (found,) = root.glob(name.replace("NNNN", "[0-9][0-9][0-9][0-9]"))
    return found


def replace(text: str, part: str, where: str) -> str:
    """Carries out one part of a diff, whose lines must stand in the text once; “…” is whatever stands in its place in a line."""
    lines = part.splitlines()
    before = "".join(f"{it[1:]}\n" for it in lines if not it.startswith("+"))
    after = "".join(f"{it[1:]}\n" for it in lines if not it.startswith("-"))
    found = list(re.finditer(re.escape(f"\n{before}").replace("…", "(.*)"), f"\n{text}"))
    assert len(found) == 1, f"{where} has this {len(found)} times:\n{before}"
    for kept in found[0].groups():
        after = after.replace("…", kept, 1)
    # The match begins with the line break before it, of which `text` has one less.
    return text[: found[0].start()] + after + text[found[0].end() - 1:]


def build(root: Path, guide: str) -> list[str]:
    """Applies every block that names a file below `root`, in order, and returns the names."""
    changed = []
    for kind, place, body in BLOCK.findall(guide):
        if kind == "diff":
            head, rest = body.split("\n", 1)
            name = head.removeprefix("+++ ")
            file = path(root, name)
            text = file.read_text()
            for part in re.split(r"^@@\n", rest, flags=re.MULTILINE):
                text = replace(text, part, name)
            file.write_text(text)
        elif place:
            name = place
            path(root, name).write_text(body)
        else:
            continue
        changed.append(name)
    return changed


if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    print("Changed as the guide says:", *build(ROOT, (ROOT / "docs/guides/add-a-feature.md").read_text()), sep="\n  ")
