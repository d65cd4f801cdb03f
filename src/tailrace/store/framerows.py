"""The rows of frames that no table holds yet, as the table will hold them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tailrace.core.errors import InputError, StoreError
from tailrace.core.frame import Frame
from tailrace.store import decode
from tailrace.store.engine import Engine

Rows = list[tuple[Any, ...]]
# Frames that one statement reads: each adds its header's words to the text of the statement.
STATEMENT_FRAMES = 200
# Statements that may fail for one call: a frame among 200 that cannot be read costs 16.
FAILURES = 20


class FrameRows:
    """Decodes frames of logs by the expressions that the store inserts them with.

    `readable` makes a frame that the engine reads otherwise than its header says one that it can
    read; it raises InputError. Payloads pass through the folder `scratch`. One call at a time.
    """

    def __init__(self, engine: Engine, scratch: Path, readable: Callable[[Frame], Frame]) -> None:
        self._engine = engine
        self._scratch = scratch
        self._readable = readable
        self._failures = 0

    async def rows(self, frames: Sequence[Frame], columns: str) -> list[Rows | None]:
        """For each frame its rows of `columns`, SQL over the columns of the table `logs`.

        None for a frame that nobody can read, or that the engine had no means to.
        """
        self._failures = 0
        found: dict[int, Rows | None] = {}
        for group in decode.groups(frames):
            for start in range(0, len(group), STATEMENT_FRAMES):
                some = group[start : start + STATEMENT_FRAMES]
                found.update(zip(map(id, some), await self._whole(some, columns), strict=True))
        return [found[id(frame)] for frame in frames]

    async def _whole(self, frames: Sequence[Frame], columns: str) -> list[Rows | None]:
        """Frames of one group; a statement that fails is tried again in halves."""
        try:
            read = await self._read(frames, columns)
        except (StoreError, OSError):
            self._failures += 1
            if self._failures > FAILURES:
                return [None] * len(frames)
            if len(frames) == 1:
                return [await self._repaired(frames[0], columns)]
            half = len(frames) // 2
            first = await self._whole(frames[:half], columns)
            return first + await self._whole(frames[half:], columns)
        return [
            rows if len(rows) == frame.header.rows else await self._repaired(frame, columns)
            for frame, rows in zip(frames, read, strict=True)
        ]

    async def _repaired(self, frame: Frame, columns: str) -> Rows | None:
        try:
            repaired = await asyncio.to_thread(self._readable, frame)
            rows = (await self._read([repaired], columns))[0]
        except (InputError, StoreError, OSError):
            return None
        return rows if len(rows) == repaired.header.rows else None

    async def _read(self, frames: Sequence[Frame], columns: str) -> list[Rows]:
        directory = await asyncio.to_thread(self._unpacked, frames)
        try:
            statement = decode.selection(directory, frames, columns)
            found = await self._engine.decoded(statement)
        finally:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        parted: list[Rows] = [[] for _ in frames]
        for row in found:
            parted[row[0] - 1].append(row[1:])
        return parted

    def _unpacked(self, frames: Sequence[Frame]) -> Path:
        directory = Path(tempfile.mkdtemp(dir=self._scratch))
        decode.write_files(directory, frames)
        return directory
