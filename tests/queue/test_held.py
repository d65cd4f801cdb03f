"""What is held of the queue is that of one moment, whatever becomes of the queue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tailrace.core.contracts import Position
from tailrace.core.frame import Lane
from tailrace.queue.files import OsFileSystem
from tailrace.queue.held import Held, hold

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
    assert len(list((tmp_path / "again" / "dead").glob("*.seg"))) == 1
    await again.close(1.0)


def test_a_directory_that_nobody_uses_is_held_whole(tmp_path: Path) -> None:
    asyncio.run(_nobody_uses(tmp_path))


async def _nobody_uses(tmp_path: Path) -> None:
    queue = log(OsFileSystem(), tmp_path / "q")
    await queue.open()
    await queue.accept([frame(1)])
    await queue.close(1.0)
    (tmp_path / "q" / "consumers" / "hot.new").write_bytes(b"on its way")
    held = hold(tmp_path / "q")
    assert [file.path for file in held.files] == ["000000000001.seg"]
    held.close()


def test_where_one_cannot_be_opened_none_is_held(tmp_path: Path) -> None:
    (tmp_path / "1.seg").write_bytes(b"x")
    (tmp_path / "2.seg").symlink_to("2.seg")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="symbolic links"):
        hold(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
