"""A process under perf, and a flame graph of it: what it spent its CPU on, as an SVG that a browser shows.

Each box is a function, as wide as its share of the samples, on top of who called it. The folded stacks lie beside it (`.folded`), for other
programs that draw them, and the 30 functions that took most by themselves are printed.
"""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import signal
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WIDTH, LINE, SMALLEST = 1_400, 17, 0.4
FRAME = re.compile(r"^\s+[0-9a-f]+ (?P<symbol>.+) \((?P<file>[^()]*)\)$")


@contextlib.contextmanager
def recorded(pid: int, picture: Path, title: str) -> Iterator[None]:
    """Records while it runs; then draws."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    data = picture.with_suffix(".perf")
    # A virtual machine often has no counters of cycles; the frames are found by their pointers, which Swift keeps.
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-g", "-o", data, "-p", str(pid)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait(60)
    said = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], capture_output=True, text=True, check=False, errors="replace")
    stacks = folded(demangled(said.stdout))
    if not stacks:
        raise RuntimeError(f"perf saw nothing: {said.stderr}")
    data.unlink()
    picture.with_suffix(".folded").write_text("".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items())))
    picture.write_text(drawn(stacks, title))
    print(f"\n{title}: {picture}\n{top(stacks)}", file=sys.stderr)


def demangled(text: str) -> str:
    program = shutil.which("swift-demangle")
    if program is None:
        return text
    return subprocess.run([program, "--compact", "--simplified"], input=text, capture_output=True, text=True, check=True).stdout


def folded(text: str) -> Counter[tuple[str, ...]]:
    """How often each stack was seen, the outermost function first."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for sample in text.split("\n\n"):
        head, *lines = sample.strip("\n").split("\n")
        frames = [found for line in lines if (found := FRAME.match(line))]
        if frames:
            stacks[(head.strip(), *(name(found["symbol"], found["file"]) for found in reversed(frames)))] += 1
    return stacks


def name(symbol: str, file: str) -> str:
    if symbol == "[unknown]":
        symbol = f"[{Path(file).name}]"
    return re.sub(r"\+0x[0-9a-f]+$", "", symbol).replace(";", ",")


def top(stacks: Counter[tuple[str, ...]], most: int = 30) -> str:
    """By themselves, without what they called."""
    total = sum(stacks.values())
    own: Counter[str] = Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
    return "\n".join(f"{count / total:6.1%}  {symbol[:130]}" for symbol, count in own.most_common(most))


class Box:
    """A function where it was called: how many samples it was in, and what it called."""

    def __init__(self) -> None:
        self.count = 0
        self.inner: dict[str, Box] = {}

    def depth(self) -> int:
        return 1 + max((box.depth() for box in self.inner.values()), default=0)


def drawn(stacks: Counter[tuple[str, ...]], title: str) -> str:
    root = Box()
    for stack, count in stacks.items():
        root.count += count
        at = root
        for function in stack:
            at = at.inner.setdefault(function, Box())
            at.count += count
    height = (root.depth() + 1) * LINE + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
             f'<rect width="100%" height="100%" fill="#fff"/><text x="6" y="18" font-size="14">{html.escape(title)}: {root.count} samples</text>']
    scale = WIDTH / root.count

    def draw(function: str, box: Box, x: float, y: float) -> None:
        width = box.count * scale
        if width < SMALLEST:
            return
        words = html.escape(f"{function}: {box.count / root.count:.2%}")
        shown = function[: max(0, int(width / 6.7) - 1)]
        # The same function has the same colour wherever it stands.
        tone = zlib.crc32(function.encode())
        parts.append(f'<g><title>{words}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LINE - 1}" '
                     f'fill="hsl({tone % 45 + 10},80%,{60 + tone // 64 % 15}%)"/><text x="{x + 2:.1f}" y="{y + 12}">{html.escape(shown)}</text></g>')
        for inner, part in sorted(box.inner.items()):
            draw(inner, part, x, y - LINE)
            x += part.count * scale

    draw("all", root, 0.0, height - LINE - 4)
    return "\n".join([*parts, "</svg>"]) + "\n"
