"""A webhook that takes its time, and remembers what it was told of alerts."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

# A kill now and then finds a notice on its way.
SLOW_S = 0.5


class Said(NamedTuple):
    """One alert of a notice: its times as seconds since the epoch, `ends_s` 0 while it fires."""

    name: str
    starts_s: float
    ends_s: float


class Receiver:
    """`arrived`: when each notice came, by its key."""

    def __init__(self, chance: random.Random) -> None:
        self.arrived: dict[str, list[float]] = defaultdict(list)
        self._said: dict[str, list[Said]] = {}
        self._lock = threading.Lock()
        self._busy = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._take(self.headers["Idempotency-Key"], body)
                time.sleep(chance.uniform(0.0, SLOW_S))
                receiver._over()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _take(self, key: str, body: bytes) -> None:
        said = [_said(one) for one in json.loads(body)["alerts"]]
        with self._lock:
            self._busy += 1
            self.arrived[key].append(time.time())
            self._said[key] = said

    def _over(self) -> None:
        with self._lock:
            self._busy -= 1

    @property
    def busy(self) -> bool:
        """Whether a notice is being taken."""
        return self._busy > 0

    def begun(self, name: str) -> dict[float, list[Said]]:
        """The notices that an alert fires, by when it does."""
        return self._by_start(name, fires=True)

    def ended(self, name: str) -> dict[float, list[Said]]:
        """The notices that an alert ended, by when it fired."""
        return self._by_start(name, fires=False)

    def _by_start(self, name: str, fires: bool) -> dict[float, list[Said]]:
        found: dict[float, list[Said]] = defaultdict(list)
        with self._lock:
            for said in self._said.values():
                for one in said:
                    if one.name == name and (one.ends_s == 0) == fires:
                        found[one.starts_s].append(one)
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *words: object) -> None:
        """Whoever sent it was killed."""


def _said(one: Mapping[str, object]) -> Said:
    labels = one["labels"]
    assert isinstance(labels, dict)
    ends_s = 0.0 if one["status"] == "firing" else seconds(str(one["endsAt"]))
    return Said(labels["alertname"], seconds(str(one["startsAt"])), ends_s)


def seconds(text: str) -> float:
    """Since the epoch, of a time as RFC 3339 has it."""
    return datetime.fromisoformat(text).timestamp()
