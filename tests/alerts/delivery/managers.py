"""Debian's Alertmanager in a process of its own, and its amtool."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

UNPACKED = Path(__file__).resolve().parents[3] / ".venv/debian/usr/bin"
ALERTMANAGER, AMTOOL = UNPACKED / "prometheus-alertmanager", UNPACKED / "amtool"
START_S = 30.0
CONFIG = """
route: {receiver: none, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: none}]
"""
# The password is "hook".
USERS = """
basic_auth_users: {tailrace: "$2b$04$C6UzMDM.H6dfI/f/IKcEeOazie7ZDa.HQDWPCHzwf9JlfF7jnozl2"}
"""
# Where Debian's looks for them, wherever it was unpacked.
TEMPLATES = Path("/usr/share/prometheus/alertmanager")
installed = pytest.mark.skipif(
    not (ALERTMANAGER.exists() and TEMPLATES.exists()),
    reason="no Alertmanager, or not its templates: see scripts/system-packages.sh",
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Manager:
    """An Alertmanager that answers. `web`: its file of users and TLS; `tls` and `user` (USER:
    PASSWORD) are what the test asks it with then."""

    def __init__(
        self,
        home: Path,
        port: int = 0,
        web: str = "",
        tls: ssl.SSLContext | None = None,
        user: str = "",
    ) -> None:
        self.port = port or free_port()
        self._home = home
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._headers = {"Authorization": f"Basic {_coded(user)}"} if user else {}
        home.mkdir(exist_ok=True)
        (home / "alertmanager.yml").write_text(CONFIG)
        (home / "web.yml").write_text(web)
        command = [
            str(ALERTMANAGER), f"--config.file={home / 'alertmanager.yml'}",
            f"--storage.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=", f"--web.config.file={home / 'web.yml'}",
        ]  # fmt: skip
        with (home / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await()

    def _await(self) -> None:
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with contextlib.suppress(URLError, ConnectionError):
                self._get("/-/ready")
                return
            time.sleep(0.02)
        raise AssertionError((self._home / "log").read_text())

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, headers=self._headers)
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
            found: bytes = answer.read()
            return found

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Those that fire, by their label `host`."""
        found = json.loads(self._get("/api/v2/alerts"))
        return {one["labels"].get("host", ""): one for one in found}

    def received(self, status: str) -> int:
        """How many alerts came that fire or are resolved, again and again counted."""
        name = f'alertmanager_alerts_received_total{{status="{status}",version="v2"}} '
        lines = self._get("/metrics").decode().splitlines()
        return sum(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def _coded(user: str) -> str:
    return base64.b64encode(user.encode()).decode()


@contextlib.contextmanager
def managing(home: Path, **how: Any) -> Iterator[Manager]:
    found = Manager(home, **how)
    try:
        yield found
    finally:
        found.close()
