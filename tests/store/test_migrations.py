"""A directory that an earlier version of the schema wrote opens, and keeps its rows."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tailrace.store import schema
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.tables import hot_tables
from tailrace.wire.samples import Exemplar, Sample

from .building import NOW, frame
from .test_samples import metrics
from .test_spans import span, traced

SAMPLE = "INSERT INTO {table} SELECT 'default', 'm', 1, now64(3), 2.5, now64(9), 's', 1, 1{more}"
# What version 2 created beside the tables that are still made as they were.
ARRIVING = (
    "CREATE TABLE arriving_samples (Tenant LowCardinality(String), "
    "MetricName LowCardinality(String), Fingerprint UInt64, Timestamp DateTime64(3, 'UTC'), "
    "Value Float64, IngestTime DateTime64(9, 'UTC'), Source LowCardinality(String), Epoch UInt64, "
    "Seq UInt64, Kind LowCardinality(String), Unit LowCardinality(String), "
    "Labels Map(LowCardinality(String), String)) ENGINE = Memory SETTINGS compress=1"
)


async def written_by_version_2(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        patch.setattr(schema, "NEWEST", 2)
        engine = Engine(directory)
        await engine.open()
        for statement in (ARRIVING, ARRIVING.replace("samples", "bulk_samples")):
            await engine.write(statement)
        await LogTable(engine, "logs", "hot", directory).insert([frame(b'{"body":"kept"}\n')])
        await engine.write(SAMPLE.format(table="samples", more=""))
        await engine.write(SAMPLE.format(table="arriving_samples", more=", 'gauge', '', map()"))
        await engine.close()


def test_version_3_keeps_the_rows_of_version_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whole() -> list[Any]:
        await written_by_version_2(tmp_path, monkeypatch)
        engine = Engine(tmp_path)
        await engine.open()
        try:
            tables = hot_tables(engine, tmp_path)
            one = Sample(NOW, "n", 1, exemplars=[Exemplar(NOW, 0.5)])
            await tables.insert([metrics(one, seq=2), traced(span(), seq=3)])
            return [
                await engine.rows(f"SELECT {column} FROM {table} ORDER BY ALL")
                for column, table in (
                    ("Body", "logs"), ("MetricName", "samples"), ("SpanName", "spans"),
                    ("MetricName", "exemplars"), ("max(Version)", "migrations"),
                )
            ]  # fmt: skip
        finally:
            await engine.close()

    assert asyncio.run(whole()) == [
        [("kept",)], [("m",), ("n",)], [("GET /cart",)], [("n",)], [(schema.NEWEST,)],
    ]  # fmt: skip


# The index of lines that version 5 replaces by two others.
BEFORE_5 = (
    "ALTER TABLE logs ADD INDEX body_grams Body TYPE ngrambf_v1(5, 32768, 1, 0) GRANULARITY 1",
    "ALTER TABLE logs DROP INDEX IF EXISTS grams",
    "ALTER TABLE logs DROP INDEX IF EXISTS attribute_values",
)
# By the version that made the table.
FILLED = {
    1: "INSERT INTO logs (Tenant, Timestamp, IngestTime, Body, LogAttributes) SELECT 't', "
    "now64(9) - toIntervalHour(number), now64(9), toString(number), map('n', toString(number)) "
    "FROM numbers(100)",
    2: "INSERT INTO samples (Tenant, MetricName, Timestamp, IngestTime, Value) SELECT 't', 'm', "
    "now64(3), now64(9), number FROM numbers(100)",
    3: "INSERT INTO spans (Tenant, Timestamp, IngestTime, SpanName) SELECT 't', now64(9), "
    "now64(9), toString(number) FROM numbers(100)",
}
TABLES = {1: "logs", 2: "samples", 3: "spans"}
# Opens the directory, and is gone right after a number of statements that change something.
DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from tailrace.store.engine import Engine

async def whole(left):
    engine = Engine(Path(sys.argv[1]))
    write = engine.write

    async def dying(sql):
        nonlocal left
        await write(sql)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    engine.write = dying
    await engine.open()
    await engine.close()

asyncio.run(whole(int(sys.argv[2])))
"""


async def written_by(version: int, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that only the first migrations made, with rows in each of its tables."""
    made = tuple(one for one in schema.MIGRATIONS if one[0] <= version)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", made)
        patch.setattr(schema, "NEWEST", version)
        engine = Engine(directory)
        await engine.open()
        for statement in BEFORE_5 if version < 5 else ():
            await engine.write(statement)
        for first, statement in FILLED.items():
            if first <= version:
                await engine.write(statement)
        await engine.close()


@pytest.mark.parametrize(("version", "kills"), [(1, (2, 5, 1, 7, 4, 6)), (2, (6, 3)), (3, (3, 5))])
def test_a_directory_of_each_version_is_migrated_whenever_that_was_killed(
    version: int, kills: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(written_by(version, tmp_path, monkeypatch))
    for left in kills:
        child = [sys.executable, "-c", DYING, str(tmp_path), str(left)]
        assert subprocess.run(child, check=False, timeout=120).returncode == -signal.SIGKILL

    async def whole() -> list[Any]:
        engine = Engine(tmp_path)
        await engine.open()
        try:
            counts = [await engine.rows(f"SELECT count() FROM {TABLES[v]}") for v in TABLES]
            found = await engine.rows(
                "SELECT count() FROM logs WHERE Body = '57' AND LogAttributes['n'] = '57'"
            )
            versions = await engine.rows("SELECT DISTINCT Version FROM migrations ORDER BY 1")
            indexes = await engine.rows(
                "SELECT name FROM system.data_skipping_indices WHERE table = 'logs' ORDER BY 1"
            )
            return [counts, found, versions, indexes]
        finally:
            await engine.close()

    counts, found, versions, indexes = asyncio.run(whole())
    assert counts == [[(100 if first <= version else 0,)] for first in TABLES]
    assert found == [(1,)]
    assert versions == [(number,) for number, _ in schema.MIGRATIONS]
    assert ("body_grams",) not in indexes
    assert {("grams",), ("attribute_values",)} <= set(indexes)
