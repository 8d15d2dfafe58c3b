"""One `lockstep serve` process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from . import processes
from .client import PLAIN
from .wait import Hopeless, eventually, free_port

ROOT = Path(__file__).resolve().parents[2]

# Fast tests: no throttles and the cheapest password hash. A test that is about one of them names its own.
TEST_ENVIRONMENT = {
    "LOCKSTEP_SIGN_IN_ATTEMPTS_PER_MINUTE": "0",
    "LOCKSTEP_REQUESTS_PER_MINUTE": "0",
    "LOCKSTEP_PASSWORD_COST": "10",
}


def binary() -> Path:
    """LOCKSTEP_BINARY, else the release build, else the debug build."""
    if "LOCKSTEP_BINARY" in os.environ:
        return Path(os.environ["LOCKSTEP_BINARY"]).resolve()
    for kind in ("release", "debug"):
        path = ROOT / ".build" / kind / "lockstep"
        if path.exists():
            return path
    raise RuntimeError("no lockstep binary: build it (`swift build`) or name one in LOCKSTEP_BINARY")


def lockstep(
    *arguments: str, env: Mapping[str, str | None] | None = None, timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Runs `lockstep <arguments>` to its end, for the commands other than `serve` and for starts that must fail."""
    return subprocess.run(
        [str(binary()), *arguments], env=environment(env or {}), capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, cwd=ROOT, check=False)


def environment(extra: Mapping[str, str | None], defaults: bool = True) -> dict[str, str]:
    """This process's environment without anything of Lockstep's, the test's settings, then `extra` (None unsets)."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("LOCKSTEP_") and name != "DATABASE_URL"}
    merged: dict[str, str | None] = {**kept, **(TEST_ENVIRONMENT if defaults else {}), **extra}
    return {name: value for name, value in merged.items() if value is not None}


class Server:
    """A server on a port that stays its own across restarts.

    `env` is laid over the test's settings; `defaults=True` starts it without those (throttles, password cost as in
    production). `database_url=None` leaves DATABASE_URL unset: the private PostgreSQL. `streams` redirects as a shell does:
    `2>&-`. `program`: another release's binary.
    """

    def __init__(
        self, folder: Path, database_url: str | None, env: Mapping[str, str | None] | None = None,
        port: int | None = None, defaults: bool = False, arguments: Sequence[str] = (),
        streams: str = "", files: tuple[int, int] | None = None, program: Path | None = None,
    ) -> None:
        self.program = program
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.arguments = list(arguments)
        self.streams = streams
        # How many it may have open: the soft limit and the hard one.
        self.limits = f"ulimit -Sn {files[0]}; ulimit -Hn {files[1]};" if files else ""
        self.log_path = folder / f"server-{self.port}.log"
        own = {
            "LOCKSTEP_HOST": "127.0.0.1", "LOCKSTEP_PORT": str(self.port), "LOCKSTEP_DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database_url,
        }
        self.environment = environment({**own, **(env or {})}, defaults=not defaults)
        self.process: subprocess.Popen[bytes] | None = None
        self._ended_by_us = False
        self._frozen: list[int] = []

    # Life

    def start(self, wait: bool = True, within: float = 60) -> Server:
        """Starts the process; with `wait` comes back once /readyz says yes."""
        if self.process is not None and self.process.poll() is None:
            raise RuntimeError(f"the server on port {self.port} runs already")
        self._ended_by_us = False
        with open(self.log_path, "ab") as log:
            self.process = processes.spawn(
                ["sh", "-c", f'{self.limits} exec "$0" "$@" {self.streams}', self.program or binary(), "serve",
                 *self.arguments],
                log=log, env=self.environment, cwd=ROOT)
        return self.wait_ready(within) if wait else self

    def wait_ready(self, within: float = 60) -> Server:
        eventually(self._ready, within=within, what=f"{self.url}/readyz")
        return self

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL, 10)

    def terminate(self, within: float = 30) -> int:
        """SIGTERM, and the exit status of the graceful stop."""
        return self._end(signal.SIGTERM, within)

    def interrupt(self, within: float = 30) -> int:
        """SIGINT (ctrl-C), and the exit status."""
        return self._end(signal.SIGINT, within)

    def restart(self, kill: bool = False) -> float:
        """Ends it (gracefully, or by kill -9), starts it on the same port, and says how many seconds readiness took."""
        if kill:
            self.kill()
        else:
            self.terminate()
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def wait_exit(self, within: float = 30) -> int:
        """For a process that is expected to end by itself."""
        assert self.process is not None, "never started"
        self._ended_by_us = True
        return self.process.wait(within)

    def freeze(self) -> None:
        """SIGSTOP: its sockets stay open and say nothing."""
        assert self.process is not None, "never started"
        self._frozen = [self.process.pid]
        processes.send(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        processes.send(self._frozen, signal.SIGCONT)
        self._frozen = []

    def finish(self) -> None:
        """The end of a test: stops what runs. A process that died by itself fails the test, whatever else passed."""
        self.thaw()
        if self.process is None:
            return
        status = self.process.poll()
        if status is not None and not self._ended_by_us:
            raise AssertionError(f"the server on port {self.port} ended by itself with {status}:\n{self.log_tail()}")
        if status is None:
            self.kill()

    # Looking inside

    @property
    def pid(self) -> int:
        assert self.process is not None, "never started"
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 60) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it was not recorded yet."""
        page = httpx.get(f"{self.url}/metrics", verify=PLAIN).raise_for_status().text
        found = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", page, flags=re.MULTILINE)
        return sum(float(value) for value in found)

    # Pieces

    def _ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            self._ended_by_us = True  # said here, once
            raise Hopeless(f"the server ended:\n{self.log_tail()}")
        return httpx.get(f"{self.url}/readyz", timeout=2, verify=PLAIN).status_code == 200

    def _end(self, number: signal.Signals, within: float) -> int:
        assert self.process is not None, "never started"
        self.thaw()
        self._ended_by_us = self._ended_by_us or self.process.poll() is None
        processes.send([self.process.pid], number)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"no end within {within} s of {number.name}:\n{self.log_tail()}") from None
