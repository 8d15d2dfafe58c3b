"""A throw-away PostgreSQL cluster, and what can befall one."""

from __future__ import annotations

import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from . import processes
from .wait import Hopeless, eventually, free_port

SUPERUSER = "lockstep"
_names = itertools.count(1)


# What makes one and starts it, for all who need one: scripts/with-postgres too.
_OWN = Path(__file__).resolve().parents[2] / "scripts" / "postgres"


@functools.cache
def binaries() -> Path:
    """The folder of initdb and postgres."""
    return Path(_run([_OWN, "where"]).strip())


@dataclass(frozen=True)
class Database:
    """One database of a cluster."""

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        return self.url_at(self.cluster.port)

    def url_at(self, port: int) -> str:
        """The same database by way of another port: a proxy's."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{port}/{self.name}"

    def connect(self, **options: Any) -> psycopg.Connection[dict[str, Any]]:
        """A connection of the test's own, in autocommit unless said otherwise; rows are dictionaries."""
        connection = psycopg.connect(self.url, row_factory=dict_row, **{"autocommit": True, **options})
        # The rules that the database holds, which tests ask by their names; what tests make lies in front of them.
        connection.execute(
            "SELECT set_config('search_path', concat_ws(', ', current_setting('search_path'), "
            "(SELECT string_agg(nspname, ', ') FROM pg_namespace WHERE nspname LIKE 'rules%')), false)")
        if not connection.autocommit:
            connection.commit()
        return connection

    @property
    def environment(self) -> dict[str, str]:
        """For PostgreSQL's own programs: they too find the rules by their names."""
        return {**os.environ, "PGOPTIONS": "-c search_path=" + self.value("SHOW search_path").replace(" ", "")}

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the only row."""
        (row,) = self.rows(statement, parameters)
        return next(iter(row.values()))

    def dump(self, path: Path) -> Path:
        """`pg_dump` in the custom format: what an operator would keep."""
        self.cluster.run("pg_dump", "--format=custom", f"--file={path}", self.url)
        return path

    def restore_dump(self, path: Path) -> None:
        """Puts a dump back in place of everything that the database holds now."""
        self.drop()
        self.cluster.create(self.name)
        self.cluster.run("pg_restore", "--exit-on-error", f"--dbname={self.url}", str(path))

    def schema(self) -> str:
        """The schema as text, without the lines that differ from dump to dump."""
        text = self.cluster.run("pg_dump", "--schema-only", "--no-owner", self.url)
        return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

    def drop(self) -> None:
        self.cluster.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


class Cluster:
    """A PostgreSQL of its own under /tmp, made and started by scripts/postgres.

    `durable` turns fsync on, for tests that look at what a crash of the machine would leave; `env` is laid over the
    environment of the server, not of its programs.
    """

    def __init__(
        self, durable: bool = False, settings: Sequence[str] = (), env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-test-", dir="/tmp"))
        self.data = self.folder / "data"
        self.log_path = self.folder / "postgres.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user = "postgres" if os.geteuid() == 0 else None
        self._frozen: list[int] = []
        self._environment = [f"{name}={value}" for name, value in (env or {}).items()]
        speed = ["fsync = on", "synchronous_commit = on", "full_page_writes = on"] if durable else []
        _run([
            _OWN, "make", self.folder, "max_connections = 200", "shared_buffers = 64MB", "wal_level = replica",
            "restore_command = 'false'", *speed, *settings])
        self.start()

    # Life

    def start(self) -> None:
        """Starts it on its port and waits until it takes statements."""
        with open(self.log_path, "ab") as log:
            self.process = processes.spawn(
                [_OWN, "run", self.folder, str(self.port), processes.death_signal("INT"), *self._environment], log=log)
        eventually(self._answers, within=60, what="PostgreSQL to answer")

    def stop(self, mode: str = "fast") -> None:
        """`smart` waits for clients, `fast` ends their sessions (57P01), `immediate` is a crash with a recovery."""
        if self.process is None:
            return
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self.thaw()
        processes.send([self.process.pid], number)
        self.process.wait(60)
        self.process = None

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """kill -9 of every process of it at once, as when the machine goes."""
        if self.process is None:
            return
        everything = processes.tree(self.process.pid)
        processes.send(everything, signal.SIGKILL)
        self.process.wait(10)
        eventually(lambda: all(processes.gone(pid) for pid in everything), what="PostgreSQL's processes to be gone")
        self.process, self._frozen = None, []

    def freeze(self) -> None:
        """SIGSTOP to all of it: connections stay open and nothing answers, as behind a dead disk or network."""
        if self.process is not None:
            # The postmaster first, so that it cannot start another backend between the listing and the signal.
            processes.send([self.process.pid], signal.SIGSTOP)
            self._frozen = processes.tree(self.process.pid)
            processes.send(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        processes.send(self._frozen, signal.SIGCONT)
        self._frozen = []

    def remove(self) -> None:
        """Stops it at once and deletes its files."""
        self.thaw()
        if self.process is not None and self.process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    # Backups at file level

    def backup(self) -> Path:
        """A physical backup taken while it runs (`pg_basebackup`), to be put back with `restore`."""
        copy = self.folder / f"backup-{next(_names)}"
        self._command(
            "pg_basebackup", "-D", copy, "-X", "stream", "-c", "fast", "-h", "127.0.0.1", "-p", str(self.port), "-U",
            SUPERUSER)
        return copy

    def restore(self, backup: Path, new_timeline: bool = True) -> None:
        """Stops the cluster, puts the backup in its place and starts it.

        As a recovery from an archive would (`recovery.signal`): it ends on a new timeline. `new_timeline=False` is the
        operator who copied files by hand: the same system identifier and the same timeline as before.
        """
        self.stop()
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", backup, self.data], check=True)
        if new_timeline:
            signal_file = self.data / "recovery.signal"
            signal_file.touch()
            if self.user:
                owner = pwd.getpwnam(self.user)
                os.chown(signal_file, owner.pw_uid, owner.pw_gid)
        self.start()
        eventually(lambda: not self.value("SELECT pg_is_in_recovery()"), within=30, what="the end of the recovery")

    # Databases

    def database(self, name: str | None = None) -> Database:
        """A new, empty database."""
        return self.create(name or f"t{os.getpid()}_{next(_names)}")

    def create(self, name: str) -> Database:
        self.execute(f'CREATE DATABASE "{name}"')
        return Database(self, name)

    def execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def value(self, statement: str) -> Any:
        return Database(self, "postgres").value(statement)

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return Database(self, "postgres").connect(connect_timeout=5)

    # Pieces

    def run(self, program: str, *arguments: str) -> str:
        """One of PostgreSQL's client programs, as ourselves; what it printed, or an error that shows its complaint."""
        return _run([binaries() / program, *arguments])

    def log_tail(self, lines: int = 40) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _command(self, program: str, *arguments: str | Path) -> str:
        prefix = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        return _run([*(["setpriv", *prefix] if prefix else []), binaries() / program, *arguments])

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise Hopeless(f"PostgreSQL ended with {self.process.returncode}:\n{self.log_tail()}")
        return self.value("SELECT 1") == 1


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
