"""A clock that jumps under the real command. libfaketime gives the process another time of day.

The engine, which carries its own C library, keeps the true time: no row's time comes from it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from loads import Load, frames, keyed, lines
from once import await_once, check_archive
from receiver import Receiver
from running import Server, Start

from tailrace.core.frame import Lane

Jump = Callable[[int], None]
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
NONE, FORWARD, BACK = 0, 3600, -3600
# The clock is what is tried here, not the load.
PAUSE_S = 0.1
# The library looks at its file once a second: at each look at the clock it would do little else.
LOOKS_S = 1

pytestmark = pytest.mark.skipif(
    not LIBRARIES, reason="faketime is not installed: see scripts/system-packages.sh"
)


def start_with_a_clock(start: Start, home: Path, **environment: str) -> tuple[Server, Jump]:
    """A server, and a function that moves its clock by seconds against the true one."""
    offset = home / "offset"

    def jump(by_s: int) -> None:
        fresh = offset.with_suffix(".new")
        fresh.write_text(f"{by_s:+}s")
        fresh.replace(offset)

    jump(NONE)
    server = start(
        home,
        LD_PRELOAD=str(LIBRARIES[0]),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_CACHE_DURATION=str(LOOKS_S),
        DONT_FAKE_MONOTONIC="1",
        **environment,
    )
    return server, jump


def ahead_s(server: Server) -> float:
    """How far the server's clock is ahead of the true one, as it dates its answers."""
    said = server.get("/ready").headers["date"]
    return parsedate_to_datetime(said).timestamp() - time.time()


def loads_on(server: Server) -> list[Load]:
    return [
        Load(server, frames("small"), echo=True, pause_s=PAUSE_S),
        Load(server, frames("bulk", lane=Lane.BULK), echo=True, pause_s=PAUSE_S),
        Load(server, keyed("keyed"), echo=True, pause_s=PAUSE_S),
        Load(server, lines("lines"), repeat=False, pause_s=PAUSE_S),
    ]


def go_on(server: Server, loads: list[Load]) -> None:
    """Everything still moves: acknowledgements, the store and the archive."""
    archived = server.metric("tailrace_archive_rows_total")
    stored = server.metric("tailrace_writer_rows_total")
    for load in loads:
        load.await_acks(10)
    server.until(lambda: server.metric("tailrace_writer_rows_total") > stored, "storing")
    server.until(lambda: server.metric("tailrace_archive_rows_total") > archived, "archiving")


def finish(server: Server, loads: list[Load]) -> None:
    for load in loads:
        load.stop()
    await_once(server, loads)
    assert server.stop() == 0, server.log()
    check_archive(server.data / "archive", loads)


def test_a_clock_that_jumps_an_hour_loses_and_doubles_nothing(start: Start, tmp_path: Path) -> None:
    server, jump = start_with_a_clock(start, tmp_path)
    loads = loads_on(server)
    for by_s in (FORWARD, BACK, NONE):
        go_on(server, loads)
        jump(by_s)
        server.until(lambda by_s=by_s: abs(ahead_s(server) - by_s) < 60, "the jump")
    go_on(server, loads)
    finish(server, loads)


def test_a_restart_an_hour_earlier_loses_and_doubles_nothing(start: Start, tmp_path: Path) -> None:
    server, jump = start_with_a_clock(start, tmp_path)
    loads = loads_on(server)
    go_on(server, loads)
    server.kill()
    jump(BACK)
    server.start()
    assert abs(ahead_s(server) - BACK) < 60
    go_on(server, loads)
    finish(server, loads)


FOR_S = 10
RULES = f"""
groups:
  - name: clock
    interval: 1s
    rules:
      - alert: Quiet
        expr: absent_over_time({{service_name="nobody"}}[1m])
        for: {FOR_S}s
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver(random.Random(0))
    yield found
    found.close()


def test_an_alert_goes_on_through_a_clock_that_jumps_an_hour_and_back(
    start: Start, tmp_path: Path, receiver: Receiver
) -> None:
    rules = tmp_path / "clock.yml"
    rules.write_text(RULES)
    server, jump = start_with_a_clock(
        start,
        tmp_path,
        TAILRACE_ALERTS__RULES=f"['{rules}']",
        TAILRACE_ALERTS__RECEIVERS=f"[{{name='h', kind='webhook', url='{receiver.url}'}}]",
        TAILRACE_ALERTS__GROUP_INTERVAL="1s",
    )
    server.until(lambda: states(server) == ["pending"], "it is pending")
    [pending] = listed(server)
    jump(FORWARD)
    server.until(lambda: len(receiver.begun("Quiet")) == 1, "it is told")
    # Of the true clock, which was the server's when it began.
    took_s = time.time() - datetime.fromisoformat(pending["activeAt"]).timestamp()
    assert FOR_S - 2 < took_s < FOR_S + 15
    jump(NONE)
    server.until(lambda: server.metric("tailrace_rule_clock_jumps_total") == 2, "the jump")
    evaluated = server.metric("tailrace_rule_evaluations_total")
    server.until(
        lambda: server.metric("tailrace_rule_evaluations_total") >= evaluated + 5, "it goes on"
    )
    assert states(server) == ["firing"]
    assert (len(receiver.arrived), receiver.ended("Quiet")) == (1, {})
    rules.write_text("groups: []\n")
    server.until(lambda: len(receiver.ended("Quiet")) == 1, "its end is told")


def listed(server: Server) -> list[dict[str, Any]]:
    """All alerts."""
    found: list[dict[str, Any]] = server.get("/api/v1/alerts").json()["data"]["alerts"]
    return found


def states(server: Server) -> list[str]:
    """Of all alerts."""
    return [one["state"] for one in listed(server)]
