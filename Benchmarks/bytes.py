"""What hostile bytes cost, and whether the memory of a burst comes back.

CPU: each shape of JSON that could cost more than its bytes, in pushes of four sizes; what as many empty pushes cost is taken off.
Memory: 200 pushes of 1 MB at once, half of them refused for what their last byte says. `--keep` takes the server's care for
returned memory away (mallopt and malloc_trim do nothing), for comparison.

    Benchmarks/run bytes            CPU a byte
    Benchmarks/run bytes --burst [--keep] [--idle 90]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import Client, Cluster, RawSocket, Server

SIZES = [16_384, 65_536, 262_144, 1_048_576]
MARKS = "\u0301\u0316"

# Each about so many bytes long: what Tests/APITests/JSONCostTests.swift counts the steps of.
SHAPES: dict[str, Callable[[int], str]] = {
    "text, for comparison": lambda size: '"' + "x" * size + '"',
    "a member's name of combining marks": lambda size: '{"' + MARKS * (size // 4) + '":1}',
    "names that differ in their last mark": lambda size: (
        "{" + ",".join(f'"{MARKS * (size // 32)}{n}":1' for n in range(8)) + "}"),
    "a text of combining marks": lambda size: '"' + MARKS * (size // 4) + '"',
    "many members": lambda size: "{" + ",".join(f'"k{n}":{n % 10}' for n in range(size // 12)) + "}",
    "numbers of one digit": lambda size: "[" + "1," * (size // 2) + "1]",
    "empty arrays": lambda size: "[" + "[]," * (size // 3) + "[]]",
    "towers": lambda size: "[" + ("[" * 30 + "]" * 30 + ",") * (size // 61) + "0]",
    "a number of many digits": lambda size: "0." + "7" * size,
    "a number of many noughts": lambda size: "1" + "0" * size + f"e-{size}",
    "escapes": lambda size: '"' + "\\u0301" * (size // 6) + '"',
    "blanks": lambda size: "[" + " " * size + "]",
}


def push(value: str) -> bytes:
    return f'{{"mutations":[],"x":{value}}}'.encode()


def send(raw: RawSocket, token: str, body: bytes, but: int = 0) -> None:
    """But for so many bytes at its end."""
    raw.send(f"POST /api/sync HTTP/1.1\r\nHost: {raw.host}\r\nAuthorization: Bearer {token}\r\n"
             f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:len(body) - but])


def cost(server: Server, client: Client, body: bytes, times: int) -> tuple[float, set[int]]:
    """Seconds of the server's CPU, and the statuses."""
    before, statuses, raw = server.cpu_seconds(), set(), RawSocket(server.url, timeout=600)
    for _ in range(times):
        send(raw, client.token or "", body)
        answer = raw.response()
        statuses.add(answer.status)
        if answer.headers.get("connection") == "close":
            raw.close()
            raw = RawSocket(server.url, timeout=600)
    raw.close()
    return server.cpu_seconds() - before, statuses


def cpu(server: Server, client: Client, megabytes: int, wanted: str) -> None:
    print("| ns of CPU a byte | " + " | ".join(f"{size // 1024} KB" for size in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    empty = {size: cost(server, client, push("0"), max(4, megabytes * 1_048_576 // size))[0] for size in SIZES}
    for name, make in ((name, make) for name, make in SHAPES.items() if wanted in name):
        cells = []
        for size in SIZES:
            times = max(4, megabytes * 1_048_576 // size)
            body = push(make(size - 160))
            seconds, statuses = cost(server, client, body, times)
            each = (seconds - empty[size]) / (times * len(body)) * 1e9
            cells.append(f"{max(0, each):.0f}" + (" (413)" if statuses == {413} else ""))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def burst(server: Server, client: Client) -> None:
    quiet = server.resident_bytes()
    whole = json.dumps({"mutations": [], "x": ["0123456789" * 10] * 9_500}).encode()
    bodies = [whole if n % 2 else whole[:-1] + b"]" for n in range(200)]
    raws = [RawSocket(server.url, timeout=120) for _ in bodies]
    for raw, body in zip(raws, bodies, strict=True):
        send(raw, client.token or "", body, but=1)
    deadline = time.monotonic() + 60
    while server.resident_bytes() - quiet < 100_000_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    high = server.resident_bytes()
    statuses = []
    for raw, body in zip(raws, bodies, strict=True):
        raw.send(body[-1:])
    for raw in raws:
        statuses.append(raw.response().status)
        high = max(high, server.resident_bytes())
        raw.close()
    began = time.monotonic()
    marks = []
    for after in (0, 5, 10, 20, 60):
        time.sleep(max(0, began + after - time.monotonic()))
        marks.append(f"{server.resident_bytes() / 1e6:.0f} MB after {after} s")
    print(f"{statuses.count(200)} taken, {statuses.count(422)} refused: {quiet / 1e6:.0f} MB before, {high / 1e6:.0f} MB at most, "
          + ", ".join(marks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=16, help="of each shape and size")
    parser.add_argument("--shape", default="", help="a part of its name, to measure it alone")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--idle", type=int, default=0, help="seconds of rest before the burst")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lockstep-bytes-", dir="/tmp"))
    env = {}
    if options.keep:
        source = folder / "keep.c"
        source.write_text("int mallopt(int a, int b) { return 1; }\nint malloc_trim(unsigned long n) { return 0; }\n")
        subprocess.run(["clang", "-shared", "-fPIC", "-o", folder / "keep.so", source], check=True)
        env["LD_PRELOAD"] = str(folder / "keep.so")
    cluster = Cluster()
    server = Server(folder, cluster.database("bytes").url, env).start()
    try:
        client = Client(server.url).register()
        time.sleep(options.idle)
        if options.burst:
            burst(server, client)
        else:
            cpu(server, client, options.megabytes, options.shape)
    finally:
        server.finish()
        cluster.remove()


if __name__ == "__main__":
    main()
