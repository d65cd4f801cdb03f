"""`tailrace archive cat`: rows of the archive as NDJSON, a line for each."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from tailrace.app.commands.archiveverify import temporary_engine
from tailrace.core.errors import StoreError
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.store.engine import Engine
    from tailrace.store.reading import ArchiveReader, Opened, Wanted


def run(reader: ArchiveReader, wanted: Wanted, service: str, limit: int) -> int:
    """1 if some of the files could not be read: they are named, and the rest is printed."""
    try:
        return asyncio.run(_Cat(reader, wanted, service, limit).printed())
    except BrokenPipeError:
        sys.stderr.close()
        return 0


class _Cat:
    """`left`: how many lines may still be printed; None is any number."""

    def __init__(self, reader: ArchiveReader, wanted: Wanted, service: str, limit: int) -> None:
        self._reader = reader
        self._wanted = wanted
        self._service = service
        self._left = limit or None
        self._failed = False

    async def printed(self) -> int:
        """A day after another, a file after another."""
        async with temporary_engine() as engine:
            for opened, missing in self._reader.days(self._wanted):
                for file in missing:
                    self._fail(file.path, "it is gone")
                for one in opened:
                    await self._file(engine, one)
                    if self._left == 0:
                        return int(self._failed)
        return int(self._failed)

    async def _file(self, engine: Engine, one: Opened) -> None:
        from tailrace.store.filekinds import FILE_KINDS
        from tailrace.store.filerows import rows_as_json

        signal = one.file.signal
        if self._service and not FILE_KINDS[signal].services:
            return
        pieces = rows_as_json(
            engine, signal, one.path, self._wanted, self._service, self._left or 0
        )
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    self._write(piece)
        except StoreError as error:
            self._fail(one.file.path, str(error).replace(str(one.path), "it"))

    def _write(self, piece: bytes) -> None:
        if self._left is not None:
            self._left -= piece.count(b"\n")
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    def _fail(self, path: str, why: str) -> None:
        self._failed = True
        sys.stderr.write(f"tailrace: {visible(f'{path}: {why}')}\n")
