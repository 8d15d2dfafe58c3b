"""J6: POST /api/sync with 500 queued mutations, of one device; another of the user's is told of them on its socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from costs import Meter, Row
from fleet import Wrong

from harness import Client, Replica, mutation

if TYPE_CHECKING:
    from bench import Bench

MOST = 500


def run(bench: Bench) -> list[Row]:
    device = Client(bench.server.url).register()
    other = device.other_device()
    socket = other.socket().caught_up()
    row = Row(f"J6 push of {MOST} queued mutations (a unit: one mutation)")
    took = []
    for number in range(bench.rounds * 2 + 1):
        queue = [mutation("settings.set", {"key": f"bench.{at}", "value": f"{number}.{at}"}) for at in range(MOST)]
        meter = Meter(bench.server, bench.cluster)
        began = time.monotonic()
        answer = device.push(*queue)
        seconds = time.monotonic() - began
        check(queue, answer["results"])
        socket.wait_setting(f"bench.{MOST - 1}", f"{number}.{MOST - 1}")
        if number == 0:
            continue
        cost = meter.read()
        took.append(seconds * 1000)
        row.rates = [*row.rates, MOST / seconds]
        row.server = [*row.server, cost.server / MOST * 1e6]
        row.postgres = [*row.postgres, cost.postgres / MOST * 1e6]
        row.load = [*row.load, cost.load_share()]
    row.p50 = took
    row.remark = "p50: ms a push"
    follow(socket.messages, socket.replica, device)
    other.close()
    device.close()
    return [row]


def check(queue: list[dict], results: list[dict]) -> None:
    if [result["id"] for result in results] != [one["id"] for one in queue]:
        raise Wrong("the results are not those of the mutations, in their order")
    versions = [result.get("version") for result in results if result["status"] == "applied"]
    if len(versions) != len(queue) or versions != sorted(set(versions)):
        raise Wrong(f"{len(versions)} of {len(queue)} were applied, at versions {versions[:3]} … {versions[-3:]}")


def follow(messages: list[dict], replica: Replica, device: Client) -> None:
    """That the other device's socket said everything once and in order."""
    cursor = None
    for message in (one for one in messages if one["type"] == "changes"):
        if not message["reset"] and message["previous"] != cursor:
            raise Wrong(f"changes begin at {message['previous']}, and the socket stands at {cursor}")
        cursor = message["cursor"]
    if replica.digest() != device.digest()["digest"]:
        raise Wrong("what the other device was told is not what the server has")
