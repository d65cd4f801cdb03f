"""The rows of frames that no table holds yet, as the table will hold them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, StoreError
from tailrace.core.frame import Frame
from tailrace.store import decode
from tailrace.store.engine import Engine

# Rows, and how many more there were than were asked for.
Rows = tuple[list[tuple[Any, ...]], int]
# Frames that one statement reads: each adds its header's words to the text of the statement.
STATEMENT_FRAMES = 200
# Statements that may fail for one call: a frame among 200 that cannot be read costs 16.
FAILURES = 20


class _Asked(msgspec.Struct, frozen=True):
    columns: str
    condition: str
    most: int
    parameters: Mapping[str, object] | None


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

    async def rows(
        self,
        frames: Sequence[Frame],
        columns: str,
        condition: str = "1",
        parameters: Mapping[str, object] | None = None,
        most: int = limits.FRAME_ROWS,
    ) -> list[Rows | None]:
        """For each frame `columns` of its rows for which `condition` holds, the first `most`, and
        how many more there are. Both are SQL over the columns of the table `logs`.

        None for a frame that nobody can read, or that the engine had no means to.
        """
        self._failures = 0
        asked = _Asked(columns, condition, most, parameters)
        found: dict[int, Rows | None] = {}
        for group in decode.groups(frames):
            for start in range(0, len(group), STATEMENT_FRAMES):
                some = group[start : start + STATEMENT_FRAMES]
                found.update(zip(map(id, some), await self._whole(some, asked), strict=True))
        return [found[id(frame)] for frame in frames]

    async def _whole(self, frames: Sequence[Frame], asked: _Asked) -> list[Rows | None]:
        """Frames of one group; a statement that fails is tried again in halves."""
        try:
            read = await self._read(frames, asked)
        except (StoreError, OSError):
            self._failures += 1
            if self._failures > FAILURES:
                return [None] * len(frames)
            if len(frames) == 1:
                return [await self._repaired(frames[0], asked)]
            half = len(frames) // 2
            first = await self._whole(frames[:half], asked)
            return first + await self._whole(frames[half:], asked)
        return [
            rows if count == frame.header.rows else await self._repaired(frame, asked)
            for frame, (count, rows) in zip(frames, read, strict=True)
        ]

    async def _repaired(self, frame: Frame, asked: _Asked) -> Rows | None:
        try:
            repaired = await asyncio.to_thread(self._readable, frame)
            count, rows = (await self._read([repaired], asked))[0]
        except (InputError, StoreError, OSError):
            return None
        return rows if count == repaired.header.rows else None

    async def _read(self, frames: Sequence[Frame], asked: _Asked) -> list[tuple[int, Rows]]:
        """Of each frame how many rows the engine reads, and those that were asked for."""
        async with decode.unpacked(self._scratch, frames) as directory:
            statement = decode.selection(
                directory, frames, asked.columns, asked.condition, asked.most
            )
            found = await self._engine.decoded(statement, asked.parameters)
        parted: list[tuple[int, Rows]] = [(0, ([], 0)) for _ in frames]
        for place, count, passed, rows in found:
            parted[place - 1] = (count, (rows, passed - len(rows)))
        return parted
