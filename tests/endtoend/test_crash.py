"""The real command, killed while it works: what was acknowledged is there, once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from loads import Load, frames, keyed, lines
from once import await_once, check_archive
from running import Server, Start

from tailrace.core.frame import Lane

START_UP_S = 3.0
AT_WORK_S = 1.5
SETTLE_S = 300.0
# Small, so that many of them end, begin and are deleted in a campaign.
SEGMENT = "4MiB"


def loads_on(server: Server) -> list[Load]:
    """Small and large, numbered and not, for both lanes and for the archive alone."""
    return [
        Load(server, frames("small"), echo=True),
        Load(server, frames("large", 1_000, 400, per_body=4), pause_s=0.5),
        Load(server, frames("bulk", lane=Lane.BULK), echo=True, pause_s=0.05),
        Load(server, keyed("keyed"), echo=True, pause_s=0.05),
        Load(server, lines("lines"), repeat=False, pause_s=0.05),
    ]


def kill_again_and_again(server: Server, chance: random.Random, kills: int) -> None:
    """Three in ten of them while it starts and recovers."""
    began = time.monotonic()
    for number in range(1, kills + 1):
        time.sleep(chance.uniform(0.05, AT_WORK_S))
        server.kill()
        if chance.random() < 0.3:
            server.launch()
            time.sleep(chance.uniform(0.0, START_UP_S))
            server.kill()
        server.start()
        if number % 10 == 0:
            print(f"{number} kills in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201 - progress


def survive(start: Start, kills: int) -> tuple[Server, list[Load]]:
    server = start(TAILRACE_QUEUE__SEGMENT_SIZE=SEGMENT)
    loads = loads_on(server)
    kill_again_and_again(server, random.Random(kills), kills)
    for load in loads:
        load.await_acks(1)
        load.stop()
    await_once(server, loads, SETTLE_S)
    assert server.stop() == 0, server.log()
    check_archive(server.data / "archive", loads)
    acked = sum(sum(request.rows.values()) for load in loads for request in load.acked)
    requests = sum(len(load.acked) for load in loads)
    print(f"{acked:,} rows in {requests:,} acknowledged requests")  # noqa: T201 - the result
    return server, loads


def test_acknowledged_rows_are_there_once_after_kill_9(start: Start) -> None:
    survive(start, kills=2)


@pytest.mark.soak
def test_acknowledged_rows_are_there_once_after_200_kills(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        server, loads = survive(start, kills=200)
    # What the queue still held of requests that were sent twice has been read by now.
    server.start()
    await_once(server, loads, SETTLE_S)


def first_starts(tmp_path: Path, kills: int) -> None:
    """Kill a server that has no data yet, each time at another moment."""
    chance = random.Random(kills)
    for number in range(kills):
        home = tmp_path / str(number)
        home.mkdir()
        server = Server(home)
        server.launch()
        time.sleep(chance.uniform(0.3, START_UP_S))
        server.kill()
        server.start()
        assert server.post("/ingest/lines?service=me", b"one\n").status == 200
        server.until(lambda one=server: one.counts() == {"me": 1}, "stored")
        server.kill()


def test_a_first_start_that_was_killed_is_made_good(tmp_path: Path) -> None:
    first_starts(tmp_path, kills=1)


@pytest.mark.soak
def test_first_starts_that_were_killed_are_made_good(tmp_path: Path) -> None:
    first_starts(tmp_path, kills=20)
