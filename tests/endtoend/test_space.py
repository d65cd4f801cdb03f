"""A disk that fills under the real command: bulk waits first, then all, and then all arrives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from loads import Load, frames
from mounting import SmallDisk
from once import await_once, check_archive
from running import Server, Start

from tailrace.core.frame import Lane
from tailrace.store.manifest import Manifest

MIB = 1 << 20
DISK_BYTES = 640 * MIB
COMMAND = Path(sys.executable).with_name("tailrace")
# Of the 512 MiB above the engine's reserve of 128: at 384, 333, 230 and 179 MiB free.
SETTINGS = {
    "TAILRACE_QUEUE__DISK_RESERVE": "64MiB",
    "TAILRACE_SPACE__BULK_SLOW": "0.5",
    "TAILRACE_SPACE__BULK_STOP": "0.6",
    "TAILRACE_SPACE__HOT_SLOW": "0.8",
    "TAILRACE_SPACE__HOT_STOP": "0.9",
}
BULK_STOP, HOT_STOP = 2, 4
BULK_STOP_FREE, HOT_STOP_FREE = 300 * MIB, 155 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    found = SmallDisk(tmp_path / "disk", DISK_BYTES)
    yield found
    found.unmount()


def fill_to(server: Server, disk: SmallDisk, level: int, free: int) -> None:
    disk.fill(leave_bytes=free)
    server.until(lambda: server.metric("tailrace_space_level", "data") == level, f"level {level}")


def firing(server: Server) -> set[str]:
    alerts = server.get("/api/v1/alerts").json()["data"]["alerts"]
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


def test_bulk_waits_then_all_and_with_space_all_arrives_once(start: Start, disk: SmallDisk) -> None:
    server = start(
        disk.path,
        **SETTINGS,
        TAILRACE_ALERTS__BUILTIN="true",
        TAILRACE_ALERTS__INTERVAL="1s",
        TAILRACE_ALERTS__DISABLE='["ErrorRateJump", "NewErrorPattern"]',
    )
    bulk = Load(server, frames("bulk", lane=Lane.BULK), pause_s=0.05)
    hot = Load(server, frames("hot", lane=Lane.HOT), echo=True, pause_s=0.05)
    both = Load(server, frames("both"), echo=True, pause_s=0.05)
    loads = [bulk, hot, both]
    for load in loads:
        load.await_acks(5)
    assert server.get("/ready").body == b"ready\n"

    fill_to(server, disk, BULK_STOP, BULK_STOP_FREE)
    waits = bulk.refused
    server.until(lambda: bulk.refused > waits + 1, "bulk refused")
    taken = len(bulk.acked)
    hot.await_acks(10)
    both.await_acks(10)
    assert len(bulk.acked) == taken
    assert hot.refused == both.refused == 0
    ready = server.get("/ready")
    assert (ready.status, ready.body) == (200, b"ready: the disk of data fills: bulk has to wait\n")

    fill_to(server, disk, HOT_STOP, HOT_STOP_FREE)
    server.until(lambda: min(load.refused for load in loads) >= 2, "all refused")
    acked = [len(load.acked) for load in loads]
    refused = server.post("/ingest/lines?service=late", b"no room\n")
    assert (refused.status, refused.json()["reason"]) == (503, "space_hot")
    assert int(refused.headers["retry-after"]) >= 1
    assert server.get("/ready").status == 503
    # The server's own samples still come in, so that the alert can fire.
    server.until(lambda: "SpaceFull" in firing(server), "the alert")
    assert server.counts("hot-.*")
    assert [len(load.acked) for load in loads] == acked
    check_answer(server)

    disk.relieve()
    server.until(lambda: server.get("/ready").status == 200, "ready again")
    for load in loads:
        load.await_acks(5)
        load.stop()
    await_once(server, loads)
    assert server.stop() == 0, server.log()
    check_archive(server.data / "archive", loads)
    log = (server.data / "logs" / "tailrace.log").read_text()
    # One for each level that was met, and no coming and going.
    assert 2 <= log.count('"a disk fills"') <= 4
    assert log.count('"a disk has room again"') == 1
    assert "the disk is full" not in log  # the reserve is not touched


def check_answer(server: Server) -> None:
    """What is said of it, to programs and to people."""
    said = server.get("/api/v1/space").json()
    [place] = said["places"]  # archive and spool are on the same disk
    assert (place["name"], place["level"]) == ("data", "hot_stop")
    assert place["refused"] == {"bulk": 1.0, "hot": 1.0}
    assert place["size_bytes"] == DISK_BYTES
    at = place["free_bytes_at"]
    assert place["free_bytes"] <= at["hot_stop"] < at["hot_slow"] < at["bulk_stop"]
    used = {(one["what"], one["table"]): one["bytes"] for one in said["used"]}
    assert used[("hot", "logs")] > 0
    assert used[("queue", "")] > 0
    assert used[("archive", "")] > 0
    url = f"http://127.0.0.1:{server.port}"
    shown = subprocess.run([COMMAND, "space", "--url", url], capture_output=True, check=True)
    assert b"HOT_STOP  bulk 100%, hot 100%" in shown.stdout


def test_an_agents_hot_rows_arrive_while_its_bulk_waits_in_the_spool(
    start: Start, disk: SmallDisk, tmp_path: Path
) -> None:
    """Also of one that is killed meanwhile."""
    server = start(disk.path, **SETTINGS)
    fill_to(server, disk, BULK_STOP, BULK_STOP_FREE)
    log = tmp_path / "shop.log"
    lines = [f"{('INFO', 'ERROR')[number % 2]} request {number}" for number in range(120)]
    config = tmp_path / "shop.toml"
    config.write_text(
        f"[agent]\ndirectory = '{tmp_path / 'agent'}'\nannounce = '0s'\nflush_interval = '20ms'\n"
        f"gateways = ['http://127.0.0.1:{server.port}']\n"
        f"[[agent.inputs]]\npaths = ['{log}']\nsample = 0.5\nservice = 'shop'\n"
    )

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen([COMMAND, "agent", "--config", config], env=dict(os.environ))

    agent = begin()
    try:
        for written in (40, 80, 120):  # errors are all kept, so the hot lane has each of them
            with log.open("a") as file:
                file.writelines(f"{line}\n" for line in lines[written - 40 : written])
            server.until(lambda wanted=written // 2: errors(server) == wanted, "hot rows")  # type: ignore[misc]
        assert server.metric("tailrace_limited_requests_total", "space_bulk") >= 1
        assert not archived(server)
        agent.kill()
        agent.wait()
        disk.relieve()
        server.until(lambda: server.metric("tailrace_space_level", "data") == 0, "room")
        agent = begin()
        server.until(lambda: len(archived(server)) >= len(lines), "bulk rows", 60.0)
    finally:
        agent.kill()
        agent.wait()
    assert sorted(archived(server)) == sorted(lines)
    assert errors(server) == len(lines) // 2


def errors(server: Server) -> int:
    """Rows of errors that queries find."""
    query = quote('sum(count_over_time({service_name="shop"} |= "ERROR" [1h]))')
    found = server.get(f"/loki/api/v1/query?query={query}").json()["data"]["result"]
    return int(float(found[0]["value"][1])) if found else 0


def archived(server: Server) -> list[str]:
    """Lines of logs in the archive."""
    archive = server.data / "archive"
    if not (archive / "manifest").exists():
        return []
    return [
        body
        for path in sorted(Manifest(archive / "manifest").paths())
        if path.startswith("tenant=")
        for body in pq.read_table(archive / path, columns=["Body"], partitioning=None)[
            "Body"
        ].to_pylist()
    ]


def test_a_full_archive_of_its_own_disk_holds_up_bulk_alone(start: Start, disk: SmallDisk) -> None:
    archive = disk.path / "archive"
    server = start(
        TAILRACE_ARCHIVE__DIRECTORY=str(archive),
        TAILRACE_SPACE__BULK_SLOW="0.85",
        TAILRACE_SPACE__BULK_STOP="0.9",
    )
    bulk = Load(server, frames("bulk", lane=Lane.BULK), pause_s=0.05)
    both = Load(server, frames("both"), pause_s=0.05)
    bulk.await_acks(3)
    disk.fill(leave_bytes=8 * MIB)
    server.until(lambda: server.metric("tailrace_space_level", "archive") >= BULK_STOP, "full")
    server.until(lambda: bulk.refused >= 2, "bulk refused")
    both.await_acks(10)
    assert both.refused == 0
    assert {one["name"] for one in server.get("/api/v1/space").json()["places"]} == {
        "data",
        "archive",
    }
    disk.relieve()
    loads = [bulk, both]
    for load in loads:
        load.await_acks(5)
        load.stop()
    await_once(server, loads)
    assert server.stop() == 0, server.log()
    check_archive(archive, loads)
