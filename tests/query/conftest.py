"""One embedded engine for the session; each test uses its own tenant."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from tailrace.core.frame import Header
from tailrace.core.payload import compress
from tailrace.store import samples, schema, spans, sql
from tailrace.store.engine import store_error
from tailrace.store.samples import parting
from tailrace.wire import samples as wire_samples
from tailrace.wire import spans as wire_spans
from tailrace.wire.samples import Sample
from tailrace.wire.spans import Span

Points = tuple[str, dict[str, str], list[tuple[float, Any]]]
SECOND = 1_000_000_000
BASE_S = 1_767_225_600  # 2026-01-01T00:00:00Z

ROW = {
    "ns": BASE_S * SECOND,
    "ingest": BASE_S * SECOND,
    "trace": "",
    "span": "",
    "severity": 9,
    "service": "web",
    "host": "h1",
    "body": "hello",
    "resource": {},
    "attributes": {},
    "weight": 1,
    "seq": 1,
}


class ChdbEngine:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.statements: list[str] = []
        self._names = itertools.count()

    async def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, timeout_s: float = 30
    ) -> list[tuple[Any, ...]]:
        self.statements.append(sql)
        try:
            found = await asyncio.to_thread(
                self.client.query, sql, parameters=dict(parameters or {})
            )
        except ClickHouseError as error:
            raise store_error(error) from None
        return list(found.result_rows)

    def tenant(self) -> str:
        return f"t{next(self._names)}"

    def load_samples(
        self, tenant: str, series: list[Points], kind: str = "gauge", unit: str = ""
    ) -> None:
        """Puts `(name, labels, [(seconds after BASE_S, value), ...])` where the store decodes
        samples to, and parts them as it does. A value is a number or its SQL."""
        for name, labels, points in series:
            known = f"{sql.text(tenant)} AS t, {sql.text(name)} AS n, "
            known += f"mapSort({sql.text_map(labels)}) AS labels"
            times = sql.array(str(int((BASE_S + second) * 1000)) for second, _ in points)
            values = sql.array(str(value) for _, value in points)
            self.client.command(
                f"INSERT INTO arriving_samples WITH {known}, "
                f"arrayJoin(arrayZip({times}, CAST({values}, 'Array(Float64)'))) AS point "
                "SELECT t, n, sipHash64(t, n, labels), fromUnixTimestamp64Milli(point.1, 'UTC'), "
                f"point.2, now64(9), 'source', 1, 1, '{kind}', '{unit}', labels, []"
            )
        for statement in parting("samples"):
            self.client.command(statement)

    def load_spans(self, tenant: str, found: Sequence[Span]) -> None:
        """Stores spans as the store does."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "1.zst").write_bytes(compress(wire_spans.encode(found)))
            self.client.command(spans.statement(Path(folder), [_header(tenant)], "spans"))

    def load_exemplars(self, tenant: str, found: Sequence[Sample]) -> None:
        """Stores samples with their exemplars as the store does."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "1.zst").write_bytes(compress(wire_samples.encode(found)))
            into = "arriving_samples"
            self.client.command(samples.statement(Path(folder), [_header(tenant)], into))
        for statement in parting("samples", "exemplars"):
            self.client.command(statement)

    def load(self, tenant: str, rows: list[dict[str, Any]]) -> None:
        values = [_row(tenant, {**ROW, **row}) for row in rows]
        self.client.insert("staging", values)
        self.client.command(
            "INSERT INTO logs SELECT * REPLACE(fromUnixTimestamp64Nano(Timestamp) AS Timestamp, "
            "fromUnixTimestamp64Nano(IngestTime) AS IngestTime) FROM staging"
        )
        self.client.command("TRUNCATE TABLE staging")


def _header(tenant: str) -> Header:
    return Header(
        tenant=tenant, source="s", epoch=1, seq=1, rows=1, bytes=1, checksum=1,
        received_ns=BASE_S * SECOND,
    )  # fmt: skip


def _row(tenant: str, row: dict[str, Any]) -> list[Any]:
    return [
        tenant, row["ns"], row["ingest"], row["trace"], row["span"], 0, "", row["severity"],
        row["service"], row["host"], row["body"], row["resource"], row["attributes"],
        row["weight"], "source", 1, row["seq"],
    ]  # fmt: skip


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    path = str(tmp_path_factory.mktemp("chdb"))
    client = clickhouse_connect.get_client(interface="chdb", path=path)
    for _, statements in schema.MIGRATIONS:
        for statement in statements:
            client.command(statement)
    columns = ", ".join(column.split(" CODEC", 1)[0] for column in schema.LOGS_COLUMNS)
    numbers = columns.replace("DateTime64(9, 'UTC')", "Int64")
    client.command(f"CREATE TABLE staging ({numbers}) ENGINE = Memory")
    yield ChdbEngine(client)
    client.close()
