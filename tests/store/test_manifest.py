"""The archive's manifest on a disk that fills up."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailrace.core.contracts import Position
from tailrace.store.manifest import ArchiveFile, Manifest, Step


def step(number: int) -> Step:
    file = ArchiveFile(f"{number}.parquet", "default", 1, 10, 1, 2)
    return Step(Position(1, number), 1, 1, [file])


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
