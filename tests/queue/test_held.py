"""What is held of the queue is that of one moment, whatever becomes of the queue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Lane
from tailrace.queue.dead import gone
from tailrace.queue.files import OsFileSystem
from tailrace.queue.gone import Why
from tailrace.queue.held import Held, hold, names
from tailrace.queue.segment import Extent, path_of

from .building import ALL, frame, log, seqs


def written(held: Held, directory: Path) -> Path:
    """A queue's directory with what is held."""
    for file in held.files:
        path = directory / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.pread(file.descriptor, file.bytes, 0))
    return directory


def test_it_stays_what_it_was_when_segments_grow_and_go(tmp_path: Path) -> None:
    asyncio.run(_grow_and_go(tmp_path))


async def _grow_and_go(tmp_path: Path) -> None:
    queue = log(OsFileSystem(), tmp_path / "q")
    await queue.open()
    await queue.accept([frame(seq, size=200) for seq in range(7)])
    await queue.bury(frame(90), "broken")
    await queue.bury(frame(91), "broken")
    first = queue.dead.kept()[0]
    await queue.work(queue.dead.remove, [gone(first, Why.DROPPED, 0)])
    hot = queue.consumer("hot", frozenset(Lane))
    await hot.read(1, 0.0)
    await hot.commit(hot.position)
    held = await queue.held()
    await queue.accept([frame(seq, size=200) for seq in range(7, 20)])
    for name in ("hot", "bulk"):
        await queue.commit(name, Position(queue.extents()[-1].number, queue.extents()[-1].end))
    assert not (tmp_path / "q" / "000000000001.seg").exists()
    await queue.close(1.0)

    again = log(OsFileSystem(), written(held, tmp_path / "again"))
    held.close()
    held.close()
    await again.open()
    assert await seqs(again.consumer("hot", ALL)) == list(range(1, 7))
    assert await seqs(again.consumer("bulk", ALL)) == list(range(7))
    assert [one.seq for one in again.dead.kept()] == [91]
    await again.close(1.0)


def test_a_directory_that_nobody_uses_is_named_whole(tmp_path: Path) -> None:
    asyncio.run(_nobody_uses(tmp_path))


async def _nobody_uses(tmp_path: Path) -> None:
    queue = log(OsFileSystem(), tmp_path / "q")
    await queue.open()
    await queue.accept([frame(1)])
    await queue.close(1.0)
    (tmp_path / "q" / "consumers" / "hot.new").write_bytes(b"on its way")
    assert names(tmp_path / "q") == ["000000000001.seg"]


def test_where_one_cannot_be_opened_none_is_held(tmp_path: Path) -> None:
    path_of(tmp_path, 1).write_bytes(b"x")
    path_of(tmp_path, 3).symlink_to(path_of(tmp_path, 3))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="symbolic links"):
        hold(tmp_path, [Extent(1, 1), Extent(2, 1), Extent(3, 1)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_of_more_files_than_may_be_held_none_is(tmp_path: Path) -> None:
    extents = [Extent(number, 64) for number in range(limits.QUEUE_FILES_HELD)]
    hold(tmp_path, extents).close()
    (tmp_path / "dead" / "gone").mkdir(parents=True)
    path_of(tmp_path / "dead" / "gone", 1).touch()
    with pytest.raises(StoreError, match="QUEUE_FILES_HELD"):
        hold(tmp_path, extents)
