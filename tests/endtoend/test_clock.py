"""A clock that jumps under the real command. libfaketime gives the process another time of day.

The engine, which carries its own C library, keeps the true time: no row's time comes from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loads import Load, frames, keyed, lines
from once import await_once, check_archive
from running import Server, Start

from tailrace.core.frame import Lane

Jump = Callable[[str], None]
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
NONE, FORWARD, BACK = "+0s", "+3600s", "-3600s"

pytestmark = pytest.mark.skipif(
    not LIBRARIES, reason="faketime is not installed: see scripts/system-packages.sh"
)


def start_with_a_clock(start: Start, home: Path) -> tuple[Server, Jump]:
    """A server, and a function that moves its clock against the true one."""
    offset = home / "offset"

    def jump(by: str) -> None:
        fresh = offset.with_suffix(".new")
        fresh.write_text(by)
        fresh.replace(offset)

    jump(NONE)
    server = start(
        home,
        LD_PRELOAD=str(LIBRARIES[0]),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        DONT_FAKE_MONOTONIC="1",
    )
    return server, jump


def loads_on(server: Server) -> list[Load]:
    return [
        Load(server, frames("small"), echo=True),
        Load(server, frames("bulk", lane=Lane.BULK), echo=True),
        Load(server, keyed("keyed"), echo=True),
        Load(server, lines("lines"), repeat=False),
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
    for by in (FORWARD, BACK, NONE):
        go_on(server, loads)
        jump(by)
    go_on(server, loads)
    finish(server, loads)


def test_a_restart_an_hour_earlier_loses_and_doubles_nothing(start: Start, tmp_path: Path) -> None:
    server, jump = start_with_a_clock(start, tmp_path)
    loads = loads_on(server)
    go_on(server, loads)
    server.kill()
    jump(BACK)
    server.start()
    go_on(server, loads)
    finish(server, loads)
