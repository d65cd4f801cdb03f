"""Exemplars stand beside the samples that brought them, once, whatever fails."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tailrace.core.contracts import Delivery, Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.samples import SampleTable
from tailrace.store.tables import hot_tables
from tailrace.wire.samples import Exemplar, Sample
from tailrace.writer.batches import missing

from .building import HOUR_NS, NOW
from .conftest import Use
from .test_samples import metrics

HOUR = NOW - NOW % HOUR_NS
TRACE = "0af7651916cd43dd8448eb211c80319c"
ALL = (
    "SELECT MetricName, toUnixTimestamp64Nano(Timestamp), Value, TraceId, SpanId, Attributes, Seq "
    "FROM exemplars ORDER BY ALL"
)
Body = Callable[[SampleTable, Engine], Awaitable[None]]
In = Callable[[Body], None]


@pytest.fixture
def place(use: Use, tmp_path: Path) -> In:
    def run(body: Body) -> None:
        async def whole(_table: LogTable, engine: Engine) -> None:
            await body(SampleTable(engine, "samples", "hot", tmp_path, "exemplars"), engine)

        use(whole)

    return run


def sample(n: int = 0, *exemplars: Exemplar, name: str = "latency_bucket") -> Sample:
    return Sample(HOUR + n * 10**9, name, n, exemplars=list(exemplars))


def exemplar(n: int = 0, **fields: Any) -> Exemplar:
    return Exemplar(HOUR + n, n + 0.5, TRACE, "b7ad6b7169203331", **fields)


async def fingerprints(engine: Engine, table: str) -> list[Any]:
    return await engine.rows(f"SELECT DISTINCT Fingerprint FROM {table}")


def test_an_exemplar_is_a_row_of_its_own_under_its_series(place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        sent = metrics(
            sample(0, exemplar(7, attributes={"user": "u1"}), exemplar(8)), sample(1), seq=4
        )
        await table.insert([sent])
        known = (TRACE, "b7ad6b7169203331")
        assert await engine.rows(ALL) == [
            ("latency_bucket", HOUR + 7, 7.5, *known, {"user": "u1"}, 4),
            ("latency_bucket", HOUR + 8, 8.5, *known, {}, 4),
        ]
        assert await fingerprints(engine, "exemplars") == await fingerprints(engine, "samples")
        assert await table.stored([sent.header]) == {sent.header.key: 2}

    place(body)


def test_an_exemplar_without_a_time_has_that_of_its_sample(place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        times = [0, 2**63 - 1]
        await table.insert([metrics(sample(3, *(Exemplar(time, 1.0) for time in times)))])
        assert [row[1] for row in await engine.rows(ALL)] == [HOUR + 3 * 10**9] * 2

    place(body)


def test_values_that_are_no_json_numbers_come_back(place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        values = [math.inf, -math.inf, math.nan, 0.1]
        sent = sample(0, *(Exemplar(HOUR + n, value) for n, value in enumerate(values)))
        await table.insert([metrics(sent)])
        found = [row[0] for row in await engine.rows("SELECT Value FROM exemplars ORDER BY ALL")]
        assert sorted(map(str, found)) == sorted(map(str, values))

    place(body)


def test_exemplars_of_many_days_in_one_frame_are_stored(place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        day_ns = 86_400 * 10**9
        sent = [sample(n, Exemplar((n + 1) * day_ns, 1.0)) for n in range(300)]
        await table.insert([metrics(*sent)])
        assert await engine.rows("SELECT count() FROM exemplars") == [(300,)]

    place(body)


def test_a_frame_that_is_taken_out_leaves_no_exemplar(place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        one, other = (metrics(sample(0, exemplar(n)), seq=n) for n in (1, 2))
        await table.insert([one, other])
        await table.remove([one.header])
        assert [row[-1] for row in await engine.rows(ALL)] == [2]
        await table.clear()
        assert await engine.rows(ALL) == []

    place(body)


async def cut_short(table: SampleTable, engine: Engine, sent: Frame, writes: int) -> None:
    """Insert as a process does that dies before its `writes`th statement."""
    done = 0
    write = engine.write

    async def counted(sql: str) -> None:
        nonlocal done
        if done == writes:
            raise StoreError("the process is gone")
        done += 1
        await write(sql)

    engine.write = counted  # type: ignore[method-assign]
    try:
        with pytest.raises(StoreError):
            await table.insert([sent])
    finally:
        engine.write = write  # type: ignore[method-assign]


@pytest.mark.parametrize("writes", range(6))
def test_a_crash_at_any_statement_of_an_insert_is_repaired(writes: int, place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        sent = metrics(sample(0, exemplar(1)), sample(1, exemplar(2), exemplar(3)))
        await cut_short(table, engine, sent, writes)
        delivery = Delivery(sent, Position(1, 1))
        todo = await missing(table, [delivery])
        # After the samples nothing of the frame is missing, whatever comes after them.
        assert todo == ([] if writes == 5 else [delivery])
        await table.insert([one.frame for one in todo])
        assert await table.stored([sent.header]) == {sent.header.key: 2}
        assert len(await engine.rows(ALL)) == 3
        assert await missing(table, [delivery]) == []

    place(body)


@pytest.mark.parametrize("lost", ["samples", "exemplars", "both"])
def test_a_frame_that_is_there_in_part_is_taken_out_and_stored_again(lost: str, place: In) -> None:
    async def body(table: SampleTable, engine: Engine) -> None:
        sent = metrics(sample(0, exemplar(1)), sample(1, exemplar(2)))
        await table.insert([sent])
        # Exemplars are written first: where one of them is missing, so are samples.
        for name in ("samples", "exemplars"):
            if lost in (name, "both") or name == "samples":
                await engine.write(
                    f"ALTER TABLE {name} DELETE WHERE Timestamp >= (SELECT max(Timestamp) FROM "
                    f"{name}) SETTINGS mutations_sync=2"
                )
        delivery = Delivery(sent, Position(1, 1))
        assert await missing(table, [delivery]) == [delivery]
        assert await engine.rows(ALL) == []
        await table.insert([sent])
        assert len(await engine.rows(ALL)) == 2

    place(body)


def test_bulk_samples_bring_no_exemplars(use: Use, tmp_path: Path) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        bulk = SampleTable(engine, "bulk_samples", "bulk", tmp_path)
        sent = metrics(sample(0, exemplar()))
        await bulk.insert([sent])
        assert await bulk.stored([sent.header]) == {sent.header.key: 1}
        assert await engine.rows(ALL) == []
        await hot_tables(engine, tmp_path).insert([sent])
        assert len(await engine.rows(ALL)) == 1

    use(body)
