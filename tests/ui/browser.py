"""A real chromium, driven over the DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
    "about:blank",
]
DEADLINE_S = 20.0
WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective));
"""


class Page:
    """One tab, driven over the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)

    def call(self, method: str, **params: Any) -> Any:
        ident = next(self._ids)
        self._socket.send(json.dumps({"id": ident, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(DEADLINE_S))
            if answer.get("id") == ident:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """The value of `script` once it is true."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.02)
        text = self.run("document.body.innerText.slice(0, 500)")
        pytest.fail(f"never true: {script}\nthe page says:\n{text}")

    def open(self, url: str, width: int = 1280) -> None:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")
        self.call("Page.navigate", url=url)
        self.until("document.querySelector('.summary')?.getAttribute('aria-busy') === 'false'")

    def picture(self, width: int, height: int) -> bytes:
        """What is seen now, as PNG."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        # Two frames: one lays out, the next has drawn the histogram at its width.
        self.run(
            "window.drawn = 0; requestAnimationFrame(() => requestAnimationFrame(() => drawn = 1))"
        )
        self.until("drawn")
        shot = self.call("Page.captureScreenshot", format="png")
        self.call("Emulation.setScrollbarsHidden", hidden=False)
        return base64.b64decode(shot["data"])

    def click(self, selector: str) -> None:
        self.until(f"!!document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def search(self, text: str) -> None:
        """Types `text` into the box by way of the keyboard, then Enter."""
        self.run("document.activeElement.blur()")
        self._key("/", "/")
        self.until("document.activeElement.matches('input.box')")
        self.call("Input.insertText", text=text)
        self._key("Enter", "\r")

    def _key(self, key: str, text: str) -> None:
        code = {"windowsVirtualKeyCode": 13} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)


@contextmanager
def opened(profile: Path) -> Iterator[Page]:
    """A browser with one tab; `profile` is an empty directory. Local time is UTC."""
    browser = subprocess.Popen(
        [str(CHROMIUM), f"--user-data-dir={profile}", *FLAGS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TZ": "UTC"},
    )
    try:
        address = _tab(profile / "DevToolsActivePort", browser)
        # Pings would draw from the random numbers that hypothesis watches, until the session ends.
        with connect(address, max_size=None, ping_interval=None) as socket:
            tab = Page(socket)
            tab.call("Page.enable")
            tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH_POLICY)
            yield tab
    finally:
        browser.terminate()
        browser.wait(10)


def _tab(port_file: Path, browser: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while not (port_file.is_file() and port_file.read_text().count("\n")):
        assert browser.poll() is None and time.monotonic() < deadline, "chromium did not start"
        time.sleep(0.02)
    port, path = port_file.read_text().split("\n")[:2]
    with connect(f"ws://127.0.0.1:{port}{path}", ping_interval=None) as socket:
        target = Page(socket).call("Target.createTarget", url="about:blank")["targetId"]
    return f"ws://127.0.0.1:{port}/devtools/page/{target}"
