"""A real Prometheus scrapes a target and writes what it finds to the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import uvicorn
from doors import MemorySink, of_tenant
from exposition import Target as NativeTarget
from exposition import served
from starlette.applications import Starlette

from tailrace.core import sample
from tailrace.core.clock import SystemClock
from tailrace.core.contracts import Receipt
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.core.sample import Sample
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes

PROMETHEUS = Path(__file__).resolve().parents[2] / ".venv/debian/usr/bin/prometheus"
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms, external_labels: {{cluster: test}}}}
scrape_configs:
  - {{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}
remote_write:
  - url: http://127.0.0.1:{gateway}/api/v1/write
    send_exemplars: true
    send_native_histograms: true
    queue_config: {{batch_send_deadline: 500ms, min_backoff: 50ms, max_backoff: 200ms}}
    metadata_config: {{send_interval: 1s}}
"""
PAGE = """# TYPE shop_orders counter
shop_orders_total{kind="paid"} 41.5 # {trace_id="abcdef0123456789abcdef0123456789"} 1.0
# TYPE shop_queue gauge
shop_queue 0
shop_odd NaN
# EOF
"""
WAIT_S = 90.0


class Target(BaseHTTPRequestHandler):
    """Answers scrapes until it is told to be gone."""

    gone = threading.Event()

    def do_GET(self) -> None:
        self.send_response(404 if self.gone.is_set() else 200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None: ...


class AwaitedSink(MemorySink):
    """Refuses the first requests, and says when samples came that a test waits for."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals
        self._came = asyncio.Event()

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        if self.refusals:
            self.refusals -= 1
            raise Busy("not yet", 0.1)
        receipt = await super().accept(frames)
        self._came.set()
        return receipt

    async def until(self, wanted: Callable[[list[Sample]], bool]) -> list[Sample]:
        async with asyncio.timeout(WAIT_S):
            while not wanted(found := [sample.decode(line) for line in self.data.splitlines()]):
                self._came.clear()
                await self._came.wait()
        return found


@contextlib.contextmanager
def prometheus(
    directory: Path, target_port: int, gateway_port: int, features: str = "exemplar-storage"
) -> Iterator[None]:
    config = directory / "prometheus.yml"
    config.write_text(CONFIG.format(target=target_port, gateway=gateway_port))
    command = [
        str(PROMETHEUS),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        f"--enable-feature={features}",
    ]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=directory) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def gateway(sink: MemorySink, listening: socket.socket):  # type: ignore[no-untyped-def]
    door = Door(sink, SystemClock(), Metrics())
    app = of_tenant("default", Starlette(routes=routes(door)))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        door.close()


@contextlib.asynccontextmanager
async def scraping(  # type: ignore[no-untyped-def]
    directory: Path, sink: MemorySink, target: type[BaseHTTPRequestHandler], *features: str
):
    """A Prometheus that scrapes `target` and writes to a gateway before `sink`."""
    with socket.create_server(("127.0.0.1", 0)) as listening, served(target) as target_port:
        port = listening.getsockname()[1]
        async with gateway(sink, listening):
            with prometheus(directory, target_port, port, *features):
                yield


installed = pytest.mark.skipif(
    not PROMETHEUS.exists(), reason="no Prometheus is unpacked under .venv/debian"
)


@installed
def test_samples_of_prometheus_arrive_after_refusals_and_end_with_stale_markers(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        sink = AwaitedSink(refusals=2)
        Target.gone.clear()
        async with scraping(tmp_path, sink, Target):
            found = await sink.until(lambda all: named(all, "shop_odd") >= 2)
            check(found)
            Target.gone.set()
            await sink.until(lambda all: any(one.stale for one in all))
        assert sink.refusals == 0

    asyncio.run(main())


@installed
def test_native_histograms_of_prometheus_arrive_as_classic_ones_and_end_with_stale_markers(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        sink = AwaitedSink(refusals=0)
        NativeTarget.gone.clear()
        async with scraping(tmp_path, sink, NativeTarget, "native-histograms"):
            found = await sink.until(lambda all: named(all, "shop_share_count") >= 2)
            check_native(found)
            NativeTarget.gone.set()
            found = await sink.until(
                lambda all: any(one.stale and "shop_wait" in one.name for one in all)
            )
            assert {
                (one.name, one.attributes.get("le", ""))
                for one in found
                if one.stale and "shop_wait" in one.name
            } == {
                ("shop_wait_seconds_bucket", "+Inf"), ("shop_wait_seconds_sum", ""),
                ("shop_wait_seconds_count", ""),
            }  # fmt: skip

    asyncio.run(main())


def check_native(found: list[Sample]) -> None:
    wait = {
        one.name.removeprefix("shop_wait_seconds_") + one.attributes.get("le", ""): one.value
        for one in found
        if one.attributes.get("kind") == "paid"
    }
    assert wait == {
        "bucket-1": 0, "bucket-0.5": 1, "bucket0.001": 3, "bucket0.5": 3, "bucket1": 6,
        "bucket2": 6, "bucket4": 6, "bucket8": 10, "bucket+Inf": 10, "sum": 25.5, "count": 10,
    }  # fmt: skip
    share = {
        one.name.removeprefix("shop_share_") + one.attributes.get("le", ""): one.value
        for one in found
        if one.name.startswith("shop_share_")
    }
    assert share == {
        "bucket0.001": 0.25, "bucket1": 0.25, "bucket2": 0.75, "bucket+Inf": 0.75, "sum": 0.6,
        "count": 0.75,
    }  # fmt: skip
    assert {one.attributes["job"] for one in found} == {"shop"}
    assert {one.kind for one in found if one.name.startswith("shop")} == {"counter"}


def named(found: list[Sample], name: str) -> int:
    return sum(one.name == name for one in found)


def check(found: list[Sample]) -> None:
    orders = next(one for one in found if one.name == "shop_orders_total")
    assert (orders.value, orders.kind) == (41.5, "counter")
    assert orders.attributes["kind"] == "paid"
    assert (orders.attributes["job"], orders.attributes["cluster"]) == ("shop", "test")
    assert next(one.value for one in found if one.name == "shop_queue") == 0
    assert next((one.value, one.stale) for one in found if one.name == "shop_odd") == ("NaN", False)
    assert any(one.exemplars for one in found)
