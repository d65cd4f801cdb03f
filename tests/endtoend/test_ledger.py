"""A real agent and a real server: every frame is looked for, and one that is gone is named."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running import Server, Start, free_port

from tailrace.agent.delivery import entries
from tailrace.core.clock import SystemClock
from tailrace.core.frame import Frame, Header
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog
from tailrace.store.engine import Engine
from tailrace.wire import frames

COMMAND = Path(sys.executable).with_name("tailrace")
LOOK_S = 90.0  # of a machine with other things to do
SETTINGS = {
    "TAILRACE_AGENT__ANNOUNCE": "1h",  # the server's own, which is not what is looked at
    "TAILRACE_GUARD__RULES": "[{detector='email', action='drop_row'}]",
}


class Shop:
    """`tailrace agent` beside a server: one file, which is written to line by line, and `more`."""

    def __init__(self, home: Path, server: Server, more: str = "") -> None:
        self.server = server
        self._log = home / "shop.log"
        self._log.touch()
        self._config = home / "shop.toml"
        self._config.write_text(
            f"[agent]\ndirectory = '{home / 'agent'}'\nannounce = '1s'\nflush_interval = '20ms'\n"
            f"gateways = ['http://127.0.0.1:{server.port}']\nsystem = 'shop'\n"
            f"resource = {{ 'host.name' = 'red', 'host.id' = '' }}\n"
            f"[[agent.inputs]]\npaths = ['{self._log}']\n" + more
        )
        self.start()
        self.written = 0

    def start(self) -> None:
        self.process = subprocess.Popen([COMMAND, "agent", "--config", self._config])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def write(self, *lines: str) -> None:
        """Each in a frame of its own, for what was written before is delivered."""
        for line in lines:
            with self._log.open("a") as file:
                file.write(f"{line}\n")
            self.written += 1
            self.server.until(lambda: self.said().get("lines", 0) >= self.written, "lines read")
            self.server.until(self.delivered, "delivered")

    def said(self) -> dict[str, Any]:
        """Its last announcement."""
        answer = self.server.get("/api/v1/agents")
        agents = answer.json()["agents"] if answer.status == 200 else []
        found = [one["announcement"] for one in agents if one["announcement"]["host"] == "red"]
        return found[0] if found else {}

    def settled(self) -> dict[str, int]:
        return (self.said().get("settled") or [{}])[0]

    def delivered(self) -> bool:
        said = self.settled()
        return bool(said) and said["before_seq"] == said["next_seq"]

    def checked(self, epoch: int = 0) -> int:
        """The number below which the server looked for every frame, as it is kept."""
        uri = f"file:{self.server.data}/control/control.sqlite?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as control:
            row = control.execute(
                "SELECT checked_seq FROM ledger_marks WHERE source = ? AND epoch = ?",
                [self.said()["source"], epoch or self.settled()["epoch"]],
            ).fetchone()
        return int(row[0]) if row else 0

    def until_checked(self) -> int:
        """All that was numbered."""
        self.server.until(
            lambda: self.delivered() and self.checked() == self.settled()["next_seq"],
            "checked",
            LOOK_S,
        )
        return self.checked()

    def refused(self) -> int:
        return len(list((self._config.parent / "agent" / "rejected").glob("*.trf")))

    def gaps(self) -> dict[str, Any]:
        answer = self.server.get("/api/v1/ledger/gaps")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def shop(tmp_path: Path, start: Start) -> Iterator[Shop]:
    found = Shop(tmp_path, start(**SETTINGS))
    yield found
    found.kill()


def test_all_frames_are_checked_though_the_guard_drops_some_and_the_server_is_killed(
    shop: Shop,
) -> None:
    shop.write("one", "mail jane@example.com", "two")
    assert shop.until_checked() >= 4
    assert shop.server.metric("tailrace_ledger_checked_frames_total") >= 3
    assert shop.server.metric("tailrace_guard_dropped_rows_total") == 1
    with shop._log.open("a") as file:
        for number in range(200):
            file.write(f"line {number}\n")
            file.flush()
    shop.written += 200
    shop.server.kill()
    shop.server.start()
    shop.write("mail joe@example.com", "three")
    assert shop.until_checked() >= 6
    assert shop.gaps() == {"frames": 0, "gaps": [], "truncated": False}
    assert shop.server.metric("tailrace_ledger_gap_frames") == 0


def test_a_frame_whose_record_is_gone_is_named(tmp_path: Path, start: Start) -> None:
    # Until the archive has them, nothing is checked.
    shop = Shop(tmp_path, start(**SETTINGS, TAILRACE_ARCHIVE__STEP="1h"))
    try:
        shop.write("one", "two", "three")
        shop.server.until(lambda: shop.server.counts().get("shop") == 3, "stored")
        shop.server.kill()
        source = asyncio.run(delete(shop.server.data, 2))
        shop.server.environment["TAILRACE_ARCHIVE__STEP"] = "1s"
        shop.server.start()
        shop.until_checked()
        found = shop.gaps()
        assert found["frames"] == 1
        (gap,) = found["gaps"]
        assert (gap["source"], gap["first_seq"], gap["last_seq"]) == (source, 2, 2)
        assert shop.server.metric("tailrace_ledger_gap_frames") == 1
        assert "frames are missing that were acknowledged" in shop.server.log()
        shop.server.kill()
        shop.server.start()
        assert shop.gaps() == found
        assert shop.server.metric("tailrace_ledger_gap_frames") == 1
    finally:
        shop.kill()


def test_all_is_explained_though_the_server_is_killed_and_what_is_taken_away_is_named(
    shop: Shop,
) -> None:
    server = shop.server
    shop.write("one", "mail jane@example.com", "two")
    for _ in range(2):
        answer = server.post("/ingest/lines?service=web", b"a\nb\n", Idempotency_Key="k")
        assert answer.status == 200
    with shop._log.open("a") as file:
        file.write("".join(f"line {number}\n" for number in range(200)))
    shop.written += 200
    server.kill()
    asyncio.run(accept_unreadable(server.data))
    server.start()
    shop.write("mail joe@example.com", "three")
    source = shop.said()["source"]
    lines = explained(server, source, sent=205)
    agent, client, dead = lines[source], lines["client"], lines["dead-1"]
    assert agent["reasons"] == {"guard_dropped": 2}
    assert agent["received"]["rows"] - agent["duplicates"]["rows"] == 203
    assert (agent["stored_hot"]["rows"], agent["archived"]["rows"]) == (203, 203)
    counts = [client[name]["rows"] for name in ("received", "duplicates", "archived")]
    assert (counts, client["sent"]) == ([4, 2, 2], None)
    assert (dead["received"]["rows"], dead["reasons"]) == (3, {"dead_lettered": 3})

    assert verify(server, "--deep")[0] == 0
    server.kill()
    asyncio.run(delete_rows(server.data, source))
    server.start()
    status, report = verify(server, "--deep")
    (frame,) = report["differing"]
    assert (status, frame["source"], frame["seq"], frame["hot"]) == (1, source, 1, 0)
    assert frame["hot_recorded"] == frame["archived"] == 1
    assert verify(server)[0] == 0


def verify(server: Server, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit status and answer of `tailrace verify`."""
    url = f"http://127.0.0.1:{server.port}"
    done = subprocess.run(
        [COMMAND, "verify", "--format", "json", "--url", url, *words],
        capture_output=True, timeout=100,
    )  # fmt: skip
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def explained(server: Server, source: str, sent: int) -> dict[str, dict[str, Any]]:
    """By source, when nothing is on its way and the agent has said what it sent."""
    found: dict[str, dict[str, Any]] = {}

    def whole() -> bool:
        found.clear()
        status, report = verify(server)
        assert status == 0, report
        found.update({line["source"]: line for line in report["sources"]})
        quiet = not any(line["in_flight"]["frames"] for line in found.values())
        return quiet and ((found.get(source) or {}).get("sent") or {}).get("rows") == sent

    server.until(whole, "all explained", LOOK_S)
    return found


async def accept_unreadable(data: Path) -> None:
    """A frame in the queue that nobody can read."""
    readers = frozenset({"writer", "archiver", "ledger"})
    queue = SegmentLog(data / "queue", OsFileSystem(), SystemClock(), Metrics(), readers)
    await queue.open()
    header = Header("default", "dead-1", 1, 1, 3, 9, 9, time.time_ns())
    await queue.accept([Frame(header, b"no zstd")])
    await queue.close(1.0)


async def delete_rows(data: Path, source: str) -> None:
    """The rows of its first frame."""
    engine = Engine(data / "store")
    await engine.open()
    try:
        await engine.write(
            f"ALTER TABLE logs DELETE WHERE Source = '{source}' AND Seq = 1 "
            "SETTINGS mutations_sync=2"
        )
    finally:
        await engine.close()


EVERYTHING = """
sample = 0.5
[[agent.inputs]]
type = 'host'
interval = '1s'
[[agent.inputs]]
type = 'otlp'
listen = '127.0.0.1:{port}'
"""


def test_frames_of_every_lane_and_signal_are_checked(tmp_path: Path, start: Start) -> None:
    port = free_port()
    server = start(**SETTINGS, TAILRACE_ARCHIVE__STEP="3s")
    shop = Shop(tmp_path, server, EVERYTHING.format(port=port))
    try:
        server.until(lambda: post(port, "logs", b"") == 200, "the agent listens")
        for times in range(1, 4):
            with shop._log.open("a") as file:
                file.write("".join(f"line {number}\n" for number in range(200)))
            assert post(port, "traces", trace(b"t" * 16)) == 200
            assert post(port, "traces", trace(b"")) == 200  # which the gateway refuses
            server.until(lambda wanted=times: shop.refused() == wanted, "refused")  # type: ignore[misc]
            shop.kill()
            shop.start()
            server.until(lambda: post(port, "logs", b"") == 200, "the agent listens")
        server.until(lambda: server.metric("tailrace_queue_frames_total", "bulk") > 0, "bulk")
        shop.process.terminate()  # what it measures of the host has no end
        assert shop.process.wait(30) == 0
        last = shop.until_checked()
        assert last > 10
        assert shop.gaps() == {"frames": 0, "gaps": [], "truncated": False}
    finally:
        shop.kill()


def test_the_end_of_a_damaged_epoch_is_checked_too(shop: Shop) -> None:
    shop.write("one", "two")
    shop.until_checked()
    before = shop.settled()
    shop.server.kill()
    with shop._log.open("a") as file:
        file.write("three\n")
    # A server that is away hears nothing; the spool holds the frame.
    spool = shop._config.parent / "agent" / "spool"
    waited = time.monotonic() + LOOK_S
    while not any(b"three" in expanded for expanded in spooled(spool)):
        assert time.monotonic() < waited
        time.sleep(0.05)
    shop.kill()
    (shop._config.parent / "agent" / "checkpoints").write_bytes(b"torn")
    shop.start()
    shop.server.start()
    shop.server.until(lambda: len(shop.said().get("settled", [])) == 2, "both are said", LOOK_S)
    new, former = shop.said()["settled"]
    assert (former["epoch"], former["from_seq"]) == (before["epoch"], 1)
    assert (new["epoch"] > former["epoch"], new["from_seq"]) == (True, 1)
    assert former["before_seq"] == former["next_seq"] == before["next_seq"] + 1
    shop.server.until(
        lambda: shop.checked(former["epoch"]) == former["next_seq"], "the former checked", LOOK_S
    )
    assert shop.gaps()["frames"] == 0


def spooled(directory: Path) -> Iterator[bytes]:
    """The payloads of all frames that are whole in a spool."""
    for path in directory.glob("*.spool"):
        with path.open("rb", buffering=0) as file:
            for _, entry in entries.walk(file.fileno(), path.stat().st_size):
                if entry is not None:
                    (frame,) = frames.decode(frames.MAGIC + entry.frame)
                    yield expand(frame.payload, frame.header.bytes)


def post(port: int, signal: str, body: bytes) -> int:
    url = f"http://127.0.0.1:{port}/v1/{signal}"
    headers = {"Content-Type": "application/x-protobuf"}
    asked = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def trace(trace_id: bytes) -> bytes:
    """A request of one span, which is none without the id of its trace."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, b"s" * 8, "pay"
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    return bytes(request.SerializeToString())


async def delete(data: Path, seq: int) -> str:
    """The record of one frame of the agent; its source."""
    engine = Engine(data / "store")
    await engine.open()
    try:
        ((source, frames),) = await engine.rows(
            f"SELECT Source, count() FROM frames WHERE Source LIKE 'agent-%' AND Seq = {seq} "
            "GROUP BY Source"
        )
        assert frames == 1
        await engine.write(
            f"ALTER TABLE frames DELETE WHERE Source = '{source}' AND Seq = {seq} "
            "SETTINGS mutations_sync=2"
        )
        return str(source)
    finally:
        await engine.close()
