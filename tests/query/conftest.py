"""One embedded engine for the session; each test uses its own tenant."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from tailrace.core.bounds import USUAL, Terms
from tailrace.core.frame import Header
from tailrace.core.payload import compress
from tailrace.store import samples, schema, spans, sql, statement
from tailrace.store.handover import Handover
from tailrace.store.samples import parting
from tailrace.store.statement import Asked
from tailrace.wire import samples as wire_samples
from tailrace.wire import spans as wire_spans
from tailrace.wire.samples import Sample
from tailrace.wire.spans import Span

Points = tuple[str, dict[str, str], list[tuple[float, Any]]]
SECOND = 1_000_000_000
SERIES_AT_ONCE = 50
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
    def __init__(self, connect: Callable[[], Any]) -> None:
        self.connect = connect
        self.client = connect()
        self.statements: list[str] = []
        self._names = itertools.count()
        self._idle: list[Any] = []

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
    ) -> list[tuple[Any, ...]]:
        asked = self._asked(sql, parameters, terms)
        return await asyncio.to_thread(statement.select, self.client, asked)

    async def blocks(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
    ) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        asked = self._asked(sql, parameters, terms)
        async for block in self._stream(statement.pump_blocks, asked):
            yield block

    async def raw(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        terms: Terms = USUAL,
        *,
        form: str,
    ) -> AsyncGenerator[bytes, None]:
        terms = replace(terms, bounds=statement.bounds_of(form, terms.bounds))
        asked = self._asked(sql, parameters, terms)
        async for piece in self._stream(statement.pump_bytes, asked, form):
            yield piece

    def _asked(self, sql: str, parameters: Mapping[str, object] | None, terms: Terms) -> Asked:
        self.statements.append(sql)
        name = f"test-{len(self.statements)}"
        return Asked(name, sql, parameters or {}, terms)

    async def _stream(
        self, pump: Callable[..., None], asked: Asked, *arguments: object
    ) -> AsyncIterator[Any]:
        """On a connection of its own, so that other statements can run meanwhile; it is kept for
        the next one, since opening it takes longer than most statements."""
        client = self._idle.pop() if self._idle else await asyncio.to_thread(self.connect)
        into: Handover[Any] = Handover(2)
        pumping = asyncio.create_task(asyncio.to_thread(pump, client, asked, *arguments, into))
        whole = False
        try:
            async for item in into:
                yield item
            whole = True
        finally:
            into.close()
            await pumping
            if whole:
                self._idle.append(client)
            else:
                client.close()

    def close(self) -> None:
        for client in [self.client, *self._idle]:
            client.close()

    def tenant(self) -> str:
        return f"t{next(self._names)}"

    def load_samples(
        self, tenant: str, series: list[Points], kind: str = "gauge", unit: str = ""
    ) -> None:
        """Puts `(name, labels, [(seconds after BASE_S, value), ...])` where the store decodes
        samples to, and parts them as it does. A value is a number or its SQL."""
        whole = []
        for name, labels, points in series:
            times = sql.array(str(int((BASE_S + second) * 1000)) for second, _ in points)
            values = sql.array(str(value) for _, value in points)
            whole.append(
                f"({sql.text(name)}, mapSort({sql.text_map(labels)}), "
                f"arrayZip({times}, CAST({values}, 'Array(Float64)')))"
            )
        # A statement for each series would take ten times as long.
        for start in range(0, len(whole), SERIES_AT_ONCE):
            some = sql.array(whole[start : start + SERIES_AT_ONCE])
            self.client.command(
                f"INSERT INTO arriving_samples WITH {sql.text(tenant)} AS t, "
                f"arrayJoin({some}) AS one, arrayJoin(one.3) AS point "
                "SELECT t, one.1, sipHash64(t, one.1, one.2), "
                "fromUnixTimestamp64Milli(point.1, 'UTC'), "
                f"point.2, now64(9), 'source', 1, 1, '{kind}', '{unit}', one.2, []"
            )
        for step in parting("samples"):
            self.client.command(step)

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
        for step in parting("samples", "exemplars"):
            self.client.command(step)

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
    engine = ChdbEngine(partial(clickhouse_connect.get_client, interface="chdb", path=path))
    client = engine.client
    for _, statements in schema.MIGRATIONS:
        for step in statements:
            client.command(step)
    columns = ", ".join(column.split(" CODEC", 1)[0] for column in schema.LOGS_COLUMNS)
    numbers = columns.replace("DateTime64(9, 'UTC')", "Int64")
    client.command(f"CREATE TABLE staging ({numbers}) ENGINE = Memory")
    yield engine
    engine.close()
