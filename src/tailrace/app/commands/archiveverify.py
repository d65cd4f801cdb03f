"""`tailrace archive verify`: each file against what the manifest says of it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.app.commands import common
from tailrace.core.errors import StoreError

if TYPE_CHECKING:
    from tailrace.store.engine import Engine
    from tailrace.store.reading import ArchiveReader, Opened, Wanted


def run(reader: ArchiveReader, wanted: Wanted, deep: bool, as_json: bool) -> int:
    """Prints what is wrong as it is found; 1 if anything is."""
    found = asyncio.run(_verified(reader, wanted, deep, as_json))
    if as_json:
        common.print_json(found)
    else:
        count, size, wrong = found["files"], found["bytes"], found["damaged"]
        sys.stderr.write(f"{count:,} files, {size:,} bytes, {len(wrong):,} damaged\n")
    return 1 if found["damaged"] else 0


async def _verified(
    reader: ArchiveReader, wanted: Wanted, deep: bool, quiet: bool
) -> dict[str, Any]:
    damaged: list[dict[str, str]] = []
    files = size = 0
    async with _decoding(deep) as engine:
        for opened, missing in reader.days(wanted):
            files += len(opened) + len(missing)
            size += sum(one.file.bytes for one in opened)
            wrong = [(file.path, "it is gone") for file in missing]
            wrong += [(one.file.path, why) for one in opened if (why := _wrong(one))]
            if engine:
                broken = {path for path, _ in wrong}
                whole = [one for one in opened if one.file.path not in broken]
                wrong += [
                    (one.file.path, why) for one in whole if (why := await _undecoded(engine, one))
                ]
            for path, why in wrong:
                damaged.append({"path": path, "wrong": why})
                if not quiet:
                    sys.stdout.write(f"{path}: {why}\n")
    return {"files": files, "bytes": size, "damaged": damaged}


def _wrong(one: Opened) -> str:
    from tailrace.store import parquet

    return parquet.wrong(one.path, one.file)


@asynccontextmanager
async def _decoding(deep: bool) -> AsyncIterator[Engine | None]:
    if not deep:
        yield None
        return
    async with temporary_engine() as engine:
        yield engine


async def _undecoded(engine: Engine, one: Opened) -> str:
    """Why not all rows can be read; "" when they can."""
    from tailrace.store.filerows import whole_rows

    try:
        rows = await whole_rows(engine, one.file.signal, one.path)
    except StoreError as error:
        return f"it cannot be decoded: {str(error).replace(str(one.path), 'it')}"
    return "" if rows == one.file.rows else f"{rows:,} rows were decoded, not {one.file.rows:,}"


@asynccontextmanager
async def temporary_engine() -> AsyncIterator[Engine]:
    """One with a directory of its own, which goes with it."""
    from tailrace.store.engine import Engine

    with tempfile.TemporaryDirectory(prefix="tailrace-archive-") as folder:
        engine = Engine(Path(folder))
        try:
            await engine.open()
            yield engine
        finally:
            await engine.close()
