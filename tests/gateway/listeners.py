"""Listeners of the gateway in process, before a sink in memory, that tests send to."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from doors import MemorySink

from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door

LOCAL = "127.0.0.1"
UNPACKED = Path(__file__).resolve().parents[2] / ".venv" / "debian"
SYSLOG_NG = UNPACKED / "usr" / "sbin" / "syslog-ng"
needs_syslog_ng = pytest.mark.skipif(
    not SYSLOG_NG.exists(), reason="syslog-ng is not unpacked: see scripts/system-packages.sh"
)
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed: no certificate can be made"
)


class Listener(Protocol):
    address: tuple[str, int]

    async def start(self) -> None: ...

    async def close(self, deadline_s: float) -> None: ...


class Heard:
    """What a listener handed to its sink."""

    def __init__(self, listener: Any, sink: MemorySink, metrics: Metrics) -> None:
        self.listener = listener
        self.sink = sink
        self.metrics = metrics
        self.address: tuple[str, int] = listener.address

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sink.data.splitlines()]

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for record in self.records]

    @property
    def rows(self) -> int:
        return sum(frame.header.rows for frame in self.sink.frames)

    async def until(self, holds: Callable[[], bool], deadline_s: float = 15.0) -> None:
        async with asyncio.timeout(deadline_s):
            while not holds():
                await asyncio.sleep(0.01)

    async def count(self, rows: int, deadline_s: float = 15.0) -> None:
        await self.until(lambda: self.rows >= rows, deadline_s)

    def repaired(self, reason: str) -> float:
        return self.metrics.get("tailrace_ingest_repaired_total", reason)

    def rejected(self, reason: str) -> float:
        return self.metrics.get("tailrace_ingest_rejected_total", reason)

    def dropped(self, reason: str) -> float:
        return self.metrics.get("tailrace_ingest_dropped_total", reason)


def hear(make: Callable[[Door], Listener], use: Callable[[Heard], Awaitable[None]]) -> Heard:
    """Run `use` before a listener that is closed, and so empty, when this returns."""

    async def main() -> Heard:
        sink, metrics = MemorySink(), Metrics()
        door = Door(sink, SystemClock(), metrics)
        listener = make(door)
        await listener.start()
        heard = Heard(listener, sink, metrics)
        try:
            await use(heard)
        finally:
            await listener.close(10.0)
            door.close()
        return heard

    return asyncio.run(main())


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a new certificate for 127.0.0.1, which is folder/cert.pem."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", *words.split(), *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
