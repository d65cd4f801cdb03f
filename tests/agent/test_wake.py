from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.agent.wake import Wake

LONG_S = 20.0


@pytest.fixture
def wake() -> Iterator[Wake]:
    found = Wake()
    yield found
    found.close()


def rested_s(wake: Wake, quiet_s: float = 0.0) -> float:
    began = time.monotonic()
    wake.rest(quiet_s, LONG_S)
    return time.monotonic() - began


def test_whoever_sets_it_ends_the_rest_also_before_it_began(wake: Wake) -> None:
    wake.set()
    assert rested_s(wake, LONG_S) < LONG_S / 2
    threading.Timer(0.05, wake.set).start()
    assert rested_s(wake, LONG_S) < LONG_S / 2


def test_a_change_in_a_folder_ends_the_rest_after_the_quiet_time(
    wake: Wake, tmp_path: Path
) -> None:
    wake.watch([str(tmp_path)])
    (tmp_path / "new").touch()
    assert 0.1 <= rested_s(wake, 0.1) < LONG_S / 2
    (tmp_path / "new").write_text("x")
    assert rested_s(wake) < LONG_S / 2


def test_what_is_no_longer_watched_does_not_wake(wake: Wake, tmp_path: Path) -> None:
    wake.watch([str(tmp_path), str(tmp_path / "is not there")])
    wake.watch([])
    wake.rest(0.0, 0.01)  # the kernel says that the watch is gone
    (tmp_path / "new").touch()
    began = time.monotonic()
    wake.rest(0.0, 0.2)
    assert time.monotonic() - began >= 0.2


def test_a_wake_that_is_closed_is_set_without_harm() -> None:
    wake = Wake()
    wake.close()
    wake.set()
