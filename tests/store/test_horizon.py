"""The record of the horizon: durable, only ever higher, refused when it is broken."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.contracts import Position
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.core.frame import Signal
from tailrace.store.horizon import Cut, Horizon
from tailrace.store.keep import Group, Groups

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


def groups(tenants: str = "", services: str = "") -> Groups:
    return Groups(tuple(tenants), tuple(services))


def test_a_group_begins_with_the_horizon_it_had_and_stays_known_while_it_is_apart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "horizon"
    horizon = opened(path)
    horizon.raise_to(5, LATER)
    both = (Group(None, "s"), Group("t", "s"))
    horizon.raise_to({(Signal.LOGS, one): 7 for one in both}, LATER, groups("t", "s"))
    horizon.raise_to({(Signal.LOGS, Group("t")): 6}, LATER, groups("t"))
    for found in (horizon, opened(path)):
        assert found.cut(Signal.LOGS, "t") == Cut(6, {"s": 7})
        assert found.cut(Signal.LOGS, "other") == Cut(5, {"s": 7})
        assert found.cut(Signal.SPANS, "t") == Cut(5)
        assert found.cut(Signal.METRICS, "t") == Cut(5)
        assert found.of(Signal.LOGS, Group("new", "s")) == 7
    # Nothing tells the service apart any more, and nobody names it.
    horizon.raise_to(8, LATER)
    horizon.raise_to({}, LATER, groups("t"))
    assert opened(path).groups == groups("t")
    horizon.raise_to({}, LATER, groups())
    assert opened(path).groups == groups()
    assert [opened(path).of(signal) for signal in Signal] == [8, 8, 8]


def test_a_file_from_before_groups_is_read(tmp_path: Path) -> None:
    path = tmp_path / "horizon"
    text = b'{"horizons":{"logs":5,"spans":6,"metrics":7},"archived":{"segment":1,"offset":2}}'
    path.write_bytes(f"{zlib.crc32(text):08x} ".encode() + text + b"\n")
    assert [opened(path).of(signal) for signal in Signal] == [5, 6, 7]


times = st.dictionaries(
    st.tuples(
        st.sampled_from(Signal),
        st.builds(Group, st.none() | st.sampled_from("ab"), st.none() | st.sampled_from("xy")),
    ),
    st.integers(0, 9),
    max_size=6,
)
names = st.builds(groups, st.sampled_from(["", "a", "ab"]), st.sampled_from(["", "x", "yx"]))


@given(st.lists(st.tuples(times, names), max_size=6))
def test_no_row_ever_becomes_hot_again_whatever_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[dict[tuple[Signal, Group], int], Groups]],
) -> None:
    path = tmp_path_factory.mktemp("horizon") / "horizon"
    horizon = opened(path)
    every = [
        (signal, tenant, service) for signal in Signal for tenant in "abc" for service in "xyz"
    ]

    def known() -> list[int]:
        return [horizon.cut(signal, tenant).of(service) for signal, tenant, service in every]

    before = known()
    for targets, named in steps:
        horizon.raise_to(targets, LATER, named)
        after = known()
        assert all(new >= old for new, old in zip(after, before, strict=True))
        for key, time in targets.items():
            if key in horizon.times(named):
                assert horizon.of(*key) >= time
        horizon = opened(path)
        assert known() == after
        before = after
