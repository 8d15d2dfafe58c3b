"""Child processes that do not outlive the tests, and signals to whole process trees."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


def death_signal(name: str) -> str:
    """What the kernel sends a child when the thread that started it ends, so that a killed test run leaves nothing behind.

    That is bound to the thread and not to the process, hence only asked for from the main thread.
    """
    return name if threading.current_thread() is threading.main_thread() else "keep"


def spawn(
    command: Sequence[str | os.PathLike[str]], *, log: IO[bytes], env: Mapping[str, str] | None = None,
    user: str | None = None, cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own, with stdout and stderr in `log`, as `user` when we are root."""
    prefix = ["setpriv", "--pdeathsig", death_signal("KILL")]
    if user is not None and os.geteuid() == 0:
        prefix += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return subprocess.Popen(
        [*prefix, *map(os.fspath, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        env=dict(env) if env is not None else None, cwd=cwd, start_new_session=True)


def tree(pid: int) -> list[int]:
    """`pid` and everything below it. PostgreSQL's children make sessions of their own, so no group names them all."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The command's name may hold blanks and brackets; the parent is the second field after it.
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        at = queue.pop()
        found.append(at)
        queue += children.get(at, [])
    return found


def send(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def gone(pid: int) -> bool:
    """Whether the process is away, or a zombie that nothing can be expected from."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
