"""The engine's results as bytes."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailrace.core.errors import StoreError
from tailrace.store.engine import READERS, Engine
from tailrace.store.raw import FORMS

ENDLESS = "SELECT sum(sipHash64(number)) AS s FROM numbers(1000000000000)"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sum(sipHash64%'"


async def _all(engine: Engine, sql: str, form: str = "JSONEachRow") -> bytes:
    return b"".join([piece async for piece in engine.raw(sql, {"n": 3}, form=form)])


def test_results_are_documents_of_their_format(tmp_path: Path) -> None:
    async def run() -> dict[str, bytes]:
        engine = Engine(tmp_path)
        await engine.open()
        try:
            sql = "SELECT number AS n FROM numbers({n:UInt64})"
            found = {form: await _all(engine, sql, form) for form in FORMS}
            with pytest.raises(StoreError) as refused:
                await _all(engine, "SELECT throwIf(number = 2) FROM numbers({n:UInt64})")
            assert refused.value.code == 395
            for change in ("CREATE TABLE x (a Int8) ENGINE = Memory", "DROP TABLE logs"):
                with pytest.raises(StoreError):
                    await _all(engine, change)
            # Nobody who leaves early keeps a connection.
            for _ in range(2 * READERS):
                pieces = engine.raw("SELECT number FROM numbers(100000000)", form="CSV")
                assert await anext(pieces)
                await pieces.aclose()
            assert await engine.rows("SELECT 1") == [(1,)]
        finally:
            await engine.close()
        return found

    found = asyncio.run(run())
    assert [json.loads(line) for line in found["JSONEachRow"].splitlines()][2] == {"n": 2}
    assert found["CSV"] == b"0\n1\n2\n"
    assert pa.ipc.open_stream(found["ArrowStream"]).read_all().to_pydict() == {"n": [0, 1, 2]}
    assert pq.read_table(io.BytesIO(found["Parquet"])).to_pydict() == {"n": [0, 1, 2]}
    assert not list(tmp_path.glob("answer-*"))


def test_who_leaves_kills_the_statement(tmp_path: Path) -> None:
    async def running(engine: Engine, count: int) -> None:
        async with asyncio.timeout(20):
            while (await engine.rows(RUNNING))[0][0] != count:
                await asyncio.sleep(0.02)

    async def run() -> None:
        engine = Engine(tmp_path)
        await engine.open()
        try:
            # One connection is left to look with.
            left = [asyncio.create_task(_all(engine, ENDLESS)) for _ in range(READERS - 1)]
            await running(engine, READERS - 1)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # Their own time is half a minute.
            await running(engine, 0)
            rows = [engine.rows("SELECT 1") for _ in range(READERS)]
            assert await asyncio.gather(*rows) == [[(1,)]] * READERS
        finally:
            await engine.close()

    asyncio.run(run())
