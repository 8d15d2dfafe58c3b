"""The server's own pages and files, 32 connections: without a cookie, with a session's, and with the tag of what a browser has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costs import Row

from harness import RawSocket

if TYPE_CHECKING:
    from bench import Bench

FILE = "/web/client.js"


def run(bench: Bench) -> list[Row]:
    cookie = {"Cookie": f"lockstep_session={bench.client.token}"}
    cases = [("/login", {}, ""), ("/app/today", {}, ", no cookie"), ("/app/today", cookie, ", signed in"), (FILE, {}, "")]
    rows = []
    for path, headers, who in cases:
        with RawSocket(bench.server.url) as raw:
            found = raw.request("GET", path, headers)
        rows.append(bench.alone(f"GET {path}{who}: {found.status}", path, 32, headers))
        # Pages have no tag and are not to be kept: then any is sent, and the page comes.
        tagged = {**headers, "If-None-Match": found.headers.get("etag", '"none"')}
        with RawSocket(bench.server.url) as raw:
            again = raw.request("GET", path, tagged)
        rows.append(bench.alone(f"GET {path}{who}, If-None-Match: {again.status}", path, 32, tagged))
    return rows
