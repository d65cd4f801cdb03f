"""A full disk under the real command: it says so, keeps what it has, and goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loads import Load, frames, keyed
from mounting import SmallDisk
from once import await_once, check_archive
from running import Server, Start

MIB = 1 << 20
DISK_BYTES = 512 * MIB
RESERVE = "64MiB"
STUCK_S = 3.0
# The disk is what is tried here, not the load.
PAUSE_S = 0.05


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    found = SmallDisk(tmp_path / "disk", DISK_BYTES)
    yield found
    found.unmount()


def loads_on(server: Server) -> list[Load]:
    return [
        Load(server, frames("small"), echo=True, pause_s=PAUSE_S),
        Load(server, frames("large", 200, 400, per_body=2), pause_s=2 * PAUSE_S),
        Load(server, keyed("keyed"), echo=True, pause_s=PAUSE_S),
    ]


def finish(server: Server, loads: list[Load], archive: Path | None = None) -> None:
    """Everything that was acknowledged is there once, as a query and the archive see it."""
    for load in loads:
        load.await_acks(5)
        load.stop()
    # The store and the archive may each wait half a minute before they try again, twice.
    await_once(server, loads, timeout_s=120.0)
    assert server.stop() == 0, server.log()
    check_archive(archive or server.data / "archive", loads)


def test_a_full_disk_is_answered_with_503_until_space_returns(
    start: Start, disk: SmallDisk
) -> None:
    server = start(disk.path, TAILRACE_QUEUE__DISK_RESERVE=RESERVE)
    loads = loads_on(server)
    loads[0].await_acks(20)
    server.until(lambda: bool(server.counts("small-.*")), "something stored")
    disk.fill(leave_bytes=16 * MIB)
    server.until(lambda: server.get("/ready").status == 503, "not ready")
    refused = server.post("/ingest/lines?service=late", b"no room\n")
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1
    shed = server.metric("tailrace_limited_requests_total", "overload_all")
    assert shed + server.metric("tailrace_queue_busy_total", "disk") >= 1
    assert server.counts("small-.*")
    disk.relieve()
    server.until(lambda: server.get("/ready").status == 200, "ready again")
    finish(server, loads)
    own_log = (server.data / "logs" / "tailrace.log").read_text()
    # The store's merges may give some space back and take it again.
    assert 1 <= own_log.count('"the disk is full: nothing is taken until more is free"') <= 3
    assert '"the disk has room again"' in own_log


def test_a_start_on_a_full_disk_says_which_and_how_much_is_needed(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 20 * MIB)
    server = Server(disk.path)
    try:
        server.launch()
        assert server.process is not None
        assert server.process.wait(60.0) == 1
        said = server.log().splitlines()[-1]
        assert f"tailrace: server.data_dir: the disk of {server.data} is full: " in said
        assert "128 MiB are needed to start" in said
        assert "queue.disk_reserve, 512 MiB, to take anything" in said
    finally:
        server.kill()
        disk.unmount()


def test_a_store_without_space_tries_again_until_it_returns(start: Start, disk: SmallDisk) -> None:
    server = start(disk.path, TAILRACE_QUEUE__DISK_RESERVE="1B")
    loads = loads_on(server)
    loads[0].await_acks(20)
    keep_full(server, disk, loads)
    disk.relieve()
    finish(server, loads)


def test_an_archive_without_space_holds_nothing_else_up(start: Start, disk: SmallDisk) -> None:
    archive = disk.path / "archive"
    server = start(TAILRACE_ARCHIVE__DIRECTORY=str(archive))
    loads = loads_on(server)
    server.until(lambda: server.metric("tailrace_archive_rows_total") > 0, "archiving")
    disk.fill(leave_bytes=0)
    failures = "tailrace_writer_failures_total"
    server.until(lambda: server.metric(failures, "archive") >= 1, "out of space in the archive")
    loads[0].await_acks(20)
    disk.relieve()
    finish(server, loads, archive)


def keep_full(server: Server, disk: SmallDisk, loads: list[Load]) -> None:
    """Until rows that the queue took have waited for the store for STUCK_S."""
    stuck_since, stored = time.monotonic(), -1.0

    def stuck() -> bool:
        nonlocal stuck_since, stored
        # Room for frames in the queue, and less than the engine leaves free.
        disk.fill(leave_bytes=16 * MIB)
        now = server.metric("tailrace_writer_rows_total")
        if now != stored or not waiting_rows(server, loads):
            stuck_since, stored = time.monotonic(), now
        return time.monotonic() - stuck_since > STUCK_S

    server.until(stuck, "out of space in the store", 60.0)


def waiting_rows(server: Server, loads: list[Load]) -> float:
    acked = sum(sum(request.rows.values()) for load in loads for request in load.acked)
    return acked - server.metric("tailrace_writer_rows_total")
