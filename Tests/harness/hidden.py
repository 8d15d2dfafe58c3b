"""A Chromium whose tabs are really hidden when another is in front.

Playwright tells every page that it is looked at, so a tab's timers are never slowed down there. This one is driven over
the DevTools protocol alone, and slows hidden tabs down (once a minute) after a second instead of five minutes.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from . import processes
from .browser import chromium
from .wait import PATIENCE, eventually


class Tab:
    def __init__(self, browser: HiddenBrowser, url: str) -> None:
        self.browser = browser
        target = httpx.put(f"{browser.address}/json/new?{url}").raise_for_status().json()
        self.id: str = target["id"]
        self._socket: ClientConnection = connect(target["webSocketDebuggerUrl"], max_size=None).__enter__()

    def send(self, method: str, **params: Any) -> Any:
        number = next(self.browser.numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def run(self, expression: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, within: float = PATIENCE) -> Any:
        return eventually(lambda: self.run(expression), within=within, every=0.1, what=expression)

    def goto(self, url: str) -> Tab:
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def show(self) -> None:
        """Brings it to the front: the one that was there is hidden."""
        httpx.get(f"{self.browser.address}/json/activate/{self.id}").raise_for_status()
        self.until("!document.hidden")

    def close(self) -> None:
        self._socket.close()


class HiddenBrowser:
    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="lockstep-chromium-", dir="/tmp"))
        self._tabs: list[Tab] = []
        with open(self._folder / "log", "wb") as log:
            self._process = processes.spawn(
                [chromium(whole=True), "--headless=new", "--no-sandbox", "--remote-debugging-port=0", "--remote-allow-origins=*",
                 f"--user-data-dir={self._folder}", "--no-first-run",
                 "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1", "about:blank"],
                log=log, env=dict(os.environ), cwd=self._folder)
        port = eventually(lambda: (self._folder / "DevToolsActivePort").read_text().split()[0], within=30)
        self.address = f"http://127.0.0.1:{port}"

    def tab(self, url: str = "about:blank") -> Tab:
        self._tabs.append(Tab(self, url))
        return self._tabs[-1]

    def allow_notifications(self, origin: str) -> None:
        self.tab().send("Browser.grantPermissions", origin=origin, permissions=["notifications"])

    def close(self) -> None:
        for tab in self._tabs:
            tab.close()
        processes.send(processes.tree(self._process.pid), signal.SIGKILL)
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


def slowed_down(tab: Tab, patience: float = 70) -> None:
    """Waits until the browser lets the timers of a hidden tab ring no more than once in a long while."""
    tab.run("window.rang = performance.now(); window.ring = () => { rang = performance.now(); setTimeout(ring, 500); };"
            "ring(); 1")
    tab.until("performance.now() - rang > 5_000", within=patience)
