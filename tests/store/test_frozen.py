"""The tables at one moment: nothing is written meanwhile, what is written later is not in it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tailrace.core.errors import StoreError
from tailrace.store import frozen
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable

from .building import frame
from .conftest import Use


def parts(engine: Engine) -> set[str]:
    """Folders of parts by table and name."""
    found = frozen.files(engine.directory, frozen=True)
    return {str(Path(one.path).parent) for one in found if one.fixed}


def test_what_is_written_later_is_not_in_it_and_what_is_merged_later_is(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(b'{"body":"a"}\n', 1)])
        await table.insert([frame(b'{"body":"b"}\n', 2)])
        order: list[str] = []

        async def meanwhile() -> None:
            late = asyncio.create_task(table.insert([frame(b'{"body":"c"}\n', 3)]))
            late.add_done_callback(lambda _: order.append("inserted"))
            await asyncio.sleep(0.2)
            order.append("frozen")
            waiting.append(late)

        waiting: list[asyncio.Task[None]] = []
        await frozen.freeze(engine, meanwhile)
        before = parts(engine)
        await waiting[0]
        assert order == ["frozen", "inserted"]
        await engine.write("OPTIMIZE TABLE logs FINAL")
        assert parts(engine) == before
        logs = [one for one in before if Path(one).name.startswith("20")]
        assert len(logs) == 2
        files = list(frozen.files(engine.directory, frozen=True))
        assert all(one.now.is_file() for one in files)
        assert {Path(one.path).name for one in files} >= {"logs.sql", "format_version.txt"}
        path, leads = frozen.link(engine.directory)
        assert (engine.directory / "tables" / path).parent.joinpath(leads).is_dir()
        frozen.left_over(engine.directory)
        assert parts(engine) == set()
        frozen.left_over(engine.directory)

    use(body)


def test_what_a_crash_left_is_not_in_the_next(use: Use) -> None:
    async def nothing() -> None: ...

    async def body(table: LogTable, engine: Engine) -> None:
        await table.insert([frame(b'{"body":"a"}\n', 1)])
        await frozen.freeze(engine, nothing)
        left = frozen.shadow(engine.directory) / "store" / "xxx"
        shutil.copytree(frozen.shadow(engine.directory) / "store", left)
        await frozen.freeze(engine, nothing)
        assert not left.exists()
        frozen.left_over(engine.directory)

    use(body)


def test_who_fails_or_leaves_meanwhile_lets_the_others_write(use: Use) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        async def failing() -> None:
            raise StoreError("the queue is closed")

        with pytest.raises(StoreError, match="queue is closed"):
            await frozen.freeze(engine, failing)

        async def slow() -> None:
            async with engine.still() as run:
                await run("INSERT INTO bulk_rows (Seq) SELECT sleep(1) + number FROM numbers(1)")

        leaving = asyncio.create_task(slow())
        await asyncio.sleep(0.1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        # The connection serves the next statement only after it has ended.
        await engine.write("TRUNCATE TABLE bulk_rows")
        assert await engine.rows("SELECT count() FROM bulk_rows") == [(0,)]
        frozen.left_over(engine.directory)

    use(body)
