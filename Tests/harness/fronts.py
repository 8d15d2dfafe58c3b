"""The proxies of deploy/, started as they are shipped: only ports, certificate and name are replaced."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from . import processes
from .server import ROOT
from .wait import Hopeless, eventually, free_port

NAME = "lockstep.example.com"


@dataclass
class Ports:
    server: int
    tls: int
    plain: int


class Front:
    """`nginx`, `haproxy` or `caddy` over TLS on a port of its own, in front of a server on another port."""

    def __init__(self, kind: str, folder: Path, server_port: int) -> None:
        self.folder = folder
        self.ports = Ports(server_port, free_port(), free_port())
        self.url = f"https://localhost:{self.ports.tls}"
        self.certificate, key = _self_signed(folder)
        configuration, command = _KINDS[kind](folder, self.ports, self.certificate, key)
        path = folder / f"{kind}.conf"
        path.write_text(configuration)
        self.log_path = folder / f"{kind}.log"
        environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        with open(self.log_path, "wb") as log:
            self.process = processes.spawn([*command, str(path)], log=log, env=environment, cwd=folder)
        eventually(self._answers, within=20, what=f"{kind} to answer")

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def http(self) -> httpx.Client:
        """As a browser has one: it keeps cookies."""
        return httpx.Client(base_url=self.url, verify=self.context(), trust_env=False, timeout=10)

    def stop(self) -> None:
        pids = processes.tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        processes.send([pid for pid in pids if not processes.gone(pid)], processes.signal.SIGKILL)
        self.process.wait(5)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise Hopeless(f"it ended: {self.log_path.read_text()[-2000:]}")
        return httpx.get(f"{self.url}/readyz", verify=self.context(), trust_env=False, timeout=2).status_code == 200


def _shipped(name: str, *replacements: tuple[str, str]) -> str:
    """The example with each pattern replaced; one that is not there any more is a test that tests nothing."""
    text = (ROOT / "deploy" / name).read_text()
    for pattern, replacement in replacements:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, f"deploy/{name} has no {pattern}"
    return text


def _nginx(folder: Path, ports: Ports, certificate: Path, key: Path) -> tuple[str, list[str]]:
    example = _shipped(
        "nginx.conf", (r"listen \[::\]:.*\n", "\n"), (r"listen 443\b", f"listen 127.0.0.1:{ports.tls}"),
        (r"listen 80;", f"listen 127.0.0.1:{ports.plain};"), (r"127\.0\.0\.1:8080", f"127.0.0.1:{ports.server}"),
        (r"/etc/letsencrypt\S*/fullchain\.pem", str(certificate)), (r"/etc/letsencrypt\S*/privkey\.pem", str(key)))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user}\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{example}\n}}\n",
        ["nginx", "-e", "stderr", "-p", str(folder), "-g", "daemon off;", "-c"])


def _haproxy(folder: Path, ports: Ports, certificate: Path, key: Path) -> tuple[str, list[str]]:
    both = folder / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    example = _shipped(
        # Somebody who runs the tests may have fewer descriptors.
        "haproxy.cfg", (r"maxconn \d+", "maxconn 200"), (r"^ *bind :::.*\n", ""), (r"bind :443", f"bind 127.0.0.1:{ports.tls}"),
        (r"bind :80$", f"bind 127.0.0.1:{ports.plain}"), (r"127\.0\.0\.1:8080", f"127.0.0.1:{ports.server}"),
        (r"(?<=crt )/etc/haproxy/lockstep\.pem", str(both)))
    return example, ["haproxy", "-db", "-f"]


def _caddy(folder: Path, ports: Ports, certificate: Path, key: Path) -> tuple[str, list[str]]:
    example = _shipped(
        "Caddyfile", (rf"^{re.escape(NAME)} \{{", f"https://localhost:{ports.tls} {{\n\ttls {certificate} {key}"),
        (r"127\.0\.0\.1:8080", f"127.0.0.1:{ports.server}"))
    options = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port {ports.plain}\n\tstorage file_system {folder}\n}}\n"
    return options + example, ["caddy", "run", "--adapter", "caddyfile", "--config"]


_KINDS: dict[str, Callable[[Path, Ports, Path, Path], tuple[str, list[str]]]] = {
    "nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy,
}


def _self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,DNS:{NAME},IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key
