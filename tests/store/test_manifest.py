"""The manifest recovers from what a crash leaves, and refuses what only damage can."""

from __future__ import annotations

import os
import resource
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import Corrupt, StoreError
from tailrace.core.frame import Signal
from tailrace.store.entries import DAY_NS, HOUR_NS, ArchiveFile, Kept, Step, Swap
from tailrace.store.manifest import Manifest


def step(number: int) -> Step:
    file = ArchiveFile(f"tenant=a/{number}.parquet", "a", 2, 100, 1, 2)
    return Step(Position(1, number), 2, 1, [file])


def steps(manifest: Manifest) -> list[Step]:
    """Those of `step` that a manifest comes to, in order."""
    files = manifest.listing.files()
    found = [step(int(Path(file.path).stem)) for file in files]
    assert [one.files for one in found] == [[file] for file in files]
    assert (manifest.listing.steps, manifest.listing.rows) == (len(found), 2 * len(found))
    assert manifest.upto == (found[-1].upto if found else Position(0, 0))
    return found


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
    assert steps(manifest) == [step(1), step(2), step(3)]
    assert manifest.upto == Position(1, 3)
    assert manifest.paths() == {f"tenant=a/{number}.parquet" for number in (1, 2, 3)}


def test_an_absent_manifest_is_empty(tmp_path: Path) -> None:
    assert (steps(Manifest(tmp_path / "none")), Manifest(tmp_path / "none").upto) == (
        [], Position(0, 0),
    )  # fmt: skip


def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(path: Path) -> None:
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        manifest = Manifest(path)
        assert steps(manifest) == [step(1), step(2)]
        assert path.read_bytes() == whole[:start]
        manifest.append(step(4))
        assert steps(Manifest(path)) == [step(1), step(2), step(4)]


def test_a_last_line_of_zeros_is_cut_off(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(300))
    assert len(steps(Manifest(path))) == 3
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
            assert steps(Manifest(path)) == [step(1), step(2), step(3)]
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

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        patch.setattr(os, "truncate", fail)
        with pytest.raises(OSError, match="No space"):
            manifest.append(step(4))
    os.truncate(path, path.stat().st_size - 9)  # what found no room
    manifest.append(step(4))
    assert steps(Manifest(path)) == [step(n) for n in range(1, 5)]


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
    assert steps(Manifest(path)) == [step(n) for n in range(1, 4)]
    manifest.append(step(4))
    assert steps(Manifest(path)) == [step(n) for n in range(1, 5)]


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
    assert steps(Manifest(path)) == [step(1), step(2)]


def swap(*removed: int, added: int = 0) -> Swap:
    return Swap(
        "compacted", 7, [f"tenant=a/{number}.parquet" for number in removed],
        step(added).files if added else [],
    )  # fmt: skip


def test_files_change_places_in_one_line(path: Path) -> None:
    manifest = Manifest(path)
    manifest.swap(swap(1, 3, added=9))
    for one in (manifest, Manifest(path)):
        assert one.paths() == {"tenant=a/2.parquet", "tenant=a/9.parquet"}
        assert (one.upto, one.listing.steps, one.listing.rows) == (Position(1, 3), 3, 6)
    with pytest.raises(StoreError, match=r"does not list tenant=a/3.parquet any more"):
        manifest.swap(swap(2, 3))
    assert Manifest(path).paths() == manifest.paths()


def test_a_line_of_a_kind_of_later_is_refused_by_name(path: Path) -> None:
    text = b'{"kind":"later"}'
    with path.open("ab") as file:
        file.write(f"{zlib.crc32(text):08x} ".encode() + text + b"\n")
    with pytest.raises(Corrupt, match="line 4 is of a kind, 'later', that this version"):
        Manifest(path)


def test_a_line_as_it_once_was_is_read(tmp_path: Path) -> None:
    text = (
        b'{"upto":{"segment":3,"offset":99},"rows":2,"frames":1,"files":[{"path":"tenant=a/x.parquet","tenant":"a",'
        b'"rows":2,"bytes":5,"first_ns":1,"last_ns":2}]}'
    )
    path = tmp_path / "manifest"
    path.write_bytes(f"{zlib.crc32(text):08x} ".encode() + text + b"\n")
    [file] = Manifest(path).listing.files()
    assert file == ArchiveFile("tenant=a/x.parquet", "a", 2, 5, 1, 2)
    assert (file.checksum, file.epochs, file.written_ns, file.packed) == ("", None, 0, False)


def test_a_manifest_of_mostly_dead_lines_is_rewritten_and_says_the_same(tmp_path: Path) -> None:
    """A year of a file a minute, which are made one of an hour's: the manifest stays small."""
    path = tmp_path / "manifest"
    manifest, rewritten, largest = Manifest(path), 0, 0
    path.touch(0o640)
    mode = path.stat().st_mode
    for number in range(1, 1_201):
        manifest.append(step(number))
        if number % 60 == 0:
            manifest.swap(swap(*range(number - 59, number + 1), added=10_000 + number))
        largest = max(largest, path.stat().st_size)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "ARCHIVE_MANIFEST_DEAD", 200)
            rewritten += manifest.rewrite()
    assert rewritten > 5
    assert largest < 60_000
    assert path.stat().st_mode == mode
    again = Manifest(path)
    assert again.listing.files() == manifest.listing.files()
    assert again.paths() == {f"tenant=a/{10_000 + n}.parquet" for n in range(60, 1_201, 60)}
    assert (again.upto, again.listing.steps) == (Position(1, 1_200), 1_200)
    assert (again.listing.rows, again.listing.frames) == (2_400, 1_200)


def test_a_file_of_a_day_is_found_from_each_of_its_hours(path: Path) -> None:
    listing = Manifest(path).listing
    day = 20_000 * DAY_NS
    of_day = ArchiveFile("tenant=b/d.parquet", "b", 9, 9, day + HOUR_NS, day + 20 * HOUR_NS)
    listing.apply(Kept([of_day]))
    for hour in range(1, 20):
        start = day + hour * HOUR_NS
        assert listing.between(Signal.LOGS, "b", start, start + 1) == [of_day]
    for start in (day, day + 21 * HOUR_NS, day + DAY_NS):
        assert listing.between(Signal.LOGS, "b", start, start + HOUR_NS - 1) == []
    assert listing.between(Signal.LOGS, "b", 0, 30_000 * DAY_NS) == [of_day]
    assert listing.between(Signal.SPANS, "b", day, day + DAY_NS) == []
