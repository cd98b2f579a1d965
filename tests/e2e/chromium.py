"""A headless Chromium and one page in it, driven over its debugging protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers have no user namespaces; only our own page is opened
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
)


def find_chromium() -> str:
    """The browser's program; the test is skipped where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip(f"no browser to test with: none of {', '.join(NAMES)} is installed")


class Browser:
    """A browser with a profile of its own below `folder`; a context that ends it."""

    def __init__(self, folder: Path, width: int = 1200, height: int = 760) -> None:
        profile = folder / "profile"
        words = [find_chromium(), *FLAGS, f"--window-size={width},{height}"]
        words += [f"--user-data-dir={profile}", "about:blank"]
        self._log = (folder / "chromium.log").open("w")
        env = {**os.environ, "HOME": str(folder)}
        self._process = subprocess.Popen(words, stdout=self._log, stderr=self._log, env=env)
        port = self._port(profile / "DevToolsActivePort")
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            pages = [row for row in json.load(answer) if row["type"] == "page"]
        self.page = Page(pages[0]["webSocketDebuggerUrl"], width, height)

    def _port(self, file: Path) -> int:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if file.exists() and (lines := file.read_text().splitlines()):
                return int(lines[0])
            time.sleep(0.05)
        raise TimeoutError("the browser did not start")

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.page.close()
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


class Page:
    """One page: goes to addresses, runs scripts, clicks, and remembers what its console said."""

    def __init__(self, url: str, width: int, height: int) -> None:
        self._opened = connect(url, max_size=None, compression=None)
        self._socket = self._opened.__enter__()
        self._number = 0
        self.console: list[str] = []
        self.width, self.height = width, height
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """The size of the window's inside, in CSS pixels."""
        self.width, self.height = width, height
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            found = json.loads(self._socket.recv(timeout=60))
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            self._hear(found)

    def _hear(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.console.append(f"exception: {text}")
        elif event.get("method") == "Runtime.consoleAPICalled":
            words = [str(a.get("value", a.get("description", ""))) for a in about["args"]]
            self.console.append(f"{about['type']}: {' '.join(words)}")
        elif event.get("method") == "Log.entryAdded":
            entry = about["entry"]
            self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def errors(self) -> list[str]:
        """What the console has said that it should not."""
        self.call("Runtime.evaluate", expression="0")
        return [line for line in self.console if not line.startswith(("info", "log", "verbose"))]

    def goto(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"still not: {condition}; console: {self.console[-5:]}")
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A pointer event: Pressed, Moved, Released, Wheel."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Click at a place."""
        self.mouse("Moved", x, y)
        for kind in ("Pressed", "Released"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def press(self, selector: str) -> None:
        """Click on an element, after scrolling to it."""
        script = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.click(*self.run(script))

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        """Drag with the left button."""
        self.mouse("Moved", *start)
        self.mouse("Pressed", *start, button="left", clickCount=1, buttons=1)
        for i in range(1, steps + 1):
            x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
            self.mouse("Moved", x, y, button="left", buttons=1)
        self.mouse("Released", *end, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """Keep a PNG of what is seen."""
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Leave the page."""
        self._opened.__exit__(None, None, None)
