"""The record of the horizon: durable, only ever higher, refused when it is broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.contracts import Position
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.core.frame import Signal
from tailrace.store.horizon import Horizon

START = Position(0, 0)
LATER = Position(3, 77)


def opened(path: Path, archived: Position = LATER) -> Horizon:
    found = Horizon(path)
    found.open(archived)
    return found


def test_at_first_everything_is_hot(tmp_path: Path) -> None:
    found = opened(tmp_path / "horizon", START)
    assert [found.of(signal) for signal in Signal] == [0, 0, 0]


def test_what_was_raised_is_there_after_a_restart(tmp_path: Path) -> None:
    opened(tmp_path / "horizon").raise_to(5_000, LATER)
    assert [opened(tmp_path / "horizon").of(signal) for signal in Signal] == [5_000] * 3


@given(times=st.lists(st.integers(0, 2**62), min_size=1, max_size=6))
def test_it_never_goes_back(tmp_path_factory: pytest.TempPathFactory, times: list[int]) -> None:
    path = tmp_path_factory.mktemp("horizon") / "horizon"
    highest = 0
    for time in times:
        opened(path).raise_to(time, LATER)
        highest = max(highest, time)
        assert opened(path).of(Signal.LOGS) == highest


@given(data=st.data())
def test_a_file_that_was_changed_in_any_byte_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("horizon") / "horizon"
    opened(path).raise_to(1_800_000_000_000_000_000, LATER)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    if place == 8:  # the space
        return
    path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
    with pytest.raises(Corrupt, match="restore it from a backup"):
        opened(path)


@pytest.mark.parametrize("length", [0, 1, 9, 30])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "horizon"
    opened(path).raise_to(5_000, LATER)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Corrupt):
        opened(path)


def test_a_disk_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "horizon"
    found = opened(path)
    found.raise_to(5_000, LATER)

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            found.raise_to(6_000, LATER)
    assert found.of(Signal.LOGS) == opened(path).of(Signal.LOGS) == 5_000


def test_an_archive_that_ends_before_what_was_dropped_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "horizon"
    opened(path).raise_to(5_000, LATER)
    assert opened(path, Position(3, 78)).of(Signal.SPANS) == 5_000
    with pytest.raises(ConfigError, match=r"archive\.directory"):
        opened(path, Position(3, 76))
