"""PgBouncer in front of a cluster."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg

from . import processes
from .postgres import SUPERUSER, Cluster
from .wait import Hopeless, eventually, free_port


class Pooler:
    """A PgBouncer with Debian's defaults but `mode` and what `settings` says; as user postgres where we are root."""

    def __init__(self, cluster: Cluster, mode: str, settings: Mapping[str, str] | None = None) -> None:
        self.cluster = cluster
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-pooler-", dir="/tmp"))
        self.log_path = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        users = self.folder / "users.txt"
        users.write_text(f'"{SUPERUSER}" ""\n')
        lines = {
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "unix_socket_dir": "", "pool_mode": mode,
            "auth_type": "trust", "auth_file": str(users), "admin_users": SUPERUSER, **(settings or {}),
        }
        self.configuration = self.folder / "pgbouncer.ini"
        self.configuration.write_text("\n".join([
            "[databases]", f"* = host=127.0.0.1 port={cluster.port}", "[pgbouncer]",
            *(f"{name} = {value}" for name, value in lines.items()), ""]))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self.folder, users, self.configuration):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.start()

    def url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        with open(self.log_path, "ab") as log:
            self.process = processes.spawn(
                ["/usr/sbin/pgbouncer", self.configuration], log=log, user="postgres", cwd=Path("/"))
        eventually(self._answers, within=20, what="PgBouncer to answer")

    def show(self, what: str) -> list[tuple[object, ...]]:
        """`SHOW …` of its console."""
        with psycopg.connect(self.url("pgbouncer"), autocommit=True) as console:
            return console.execute(f"SHOW {what}".encode(), prepare=False).fetchall()

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            processes.send([self.process.pid], signal.SIGTERM)  # does not wait for clients
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise Hopeless(f"PgBouncer ended with {self.process.returncode}:\n{self.log_path.read_text()}")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            return connection.execute("SELECT 1", prepare=False).fetchone() == (1,)
