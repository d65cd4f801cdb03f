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


async def _all(engine: Engine, sql: str, form: str = "JSONEachRow") -> bytes:
    return b"".join([piece async for piece in engine.raw(sql, {"n": 3}, form)])


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
                pieces = engine.raw("SELECT number FROM numbers(100000000)")
                assert await anext(pieces)
                await pieces.aclose()  # type: ignore[attr-defined]
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
