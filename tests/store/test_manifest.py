"""The manifest recovers from what a crash leaves, and refuses what only damage can."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailrace.core.contracts import Position
from tailrace.core.errors import Corrupt
from tailrace.store.manifest import ArchiveFile, Manifest, Step


def step(number: int) -> Step:
    file = ArchiveFile(f"tenant=a/{number}.parquet", "a", 2, 100, 1, 2)
    return Step(Position(1, number), 2, 1, [file])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest of three steps."""
    path = tmp_path / "manifest"
    manifest = Manifest(path)
    for number in range(1, 4):
        manifest.append(step(number))
    return path


def test_steps_are_read_back_in_order(path: Path) -> None:
    manifest = Manifest(path)
    assert manifest.steps == [step(1), step(2), step(3)]
    assert manifest.upto == Position(1, 3)
    assert manifest.paths() == {f"tenant=a/{number}.parquet" for number in (1, 2, 3)}


def test_an_absent_manifest_is_empty(tmp_path: Path) -> None:
    assert (Manifest(tmp_path / "none").steps, Manifest(tmp_path / "none").upto) == (
        [], Position(0, 0),
    )  # fmt: skip


def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(path: Path) -> None:
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        manifest = Manifest(path)
        assert manifest.steps == [step(1), step(2)]
        assert path.read_bytes() == whole[:start]
        manifest.append(step(4))
        assert Manifest(path).steps == [step(1), step(2), step(4)]


def test_a_last_line_of_zeros_is_cut_off(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(300))
    assert len(Manifest(path).steps) == 3
    assert path.read_bytes() == whole


def test_a_broken_line_before_the_last_is_refused_by_name(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"rows", b"rowz") + lines[2])
    with pytest.raises(Corrupt, match="manifest line 2 fails its checksum") as error:
        Manifest(path)
    assert "restore the file from a backup" in str(error.value)
    assert path.read_bytes().count(b"\n") == 3


def flipped(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))


def test_a_flipped_bit_of_an_earlier_line_is_noticed_or_harmless(path: Path) -> None:
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for bit in range(0, (len(lines[0]) + len(lines[1]) - 1) * 8, 5):
        path.write_bytes(whole)
        flipped(path, bit)
        try:
            assert Manifest(path).steps == [step(1), step(2), step(3)]
        except Corrupt:
            assert len(path.read_bytes()) == len(whole)


def test_a_flipped_bit_of_the_newline_before_the_last_line_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    flipped(path, whole[:-1].rindex(b"\n") * 8)
    with pytest.raises(Corrupt):
        Manifest(path)


def test_an_append_that_fails_half_way_can_be_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest(path)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            manifest.append(step(4))
    os.truncate(path, path.stat().st_size - 9)  # what found no room
    manifest.append(step(4))
    assert Manifest(path).steps == [step(n) for n in range(1, 5)]


def test_an_append_whose_sync_failed_counts_once_when_it_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest(path)

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input"):
            manifest.append(step(4))
    manifest.append(step(4))
    assert Manifest(path).steps == [step(n) for n in range(1, 5)]


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """A write past this size is cut short, then refused, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_step_that_did_not_fit_is_written_whole_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    manifest = Manifest(path)
    manifest.append(step(1))
    with largest_file(path.stat().st_size + 20), pytest.raises(OSError):
        manifest.append(step(2))
    manifest.append(step(2))
    assert Manifest(path).steps == [step(1), step(2)]
