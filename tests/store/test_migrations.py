"""A directory that an earlier version of the schema wrote opens, and keeps its rows."""

from __future__ import annotations

import asyncio
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
