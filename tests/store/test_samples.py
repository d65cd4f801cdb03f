"""What the tables of metrics promise the writer, the archive and a query."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame, Signal
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.tables import Tables, bulk_tables, hot_tables
from tailrace.wire import samples
from tailrace.wire.samples import Sample

from .building import HOUR_NS, NOW, frame
from .conftest import Use
from .test_logs import HOSTILE

HOUR = NOW - NOW % HOUR_NS
SERIES = "SELECT MetricName, Kind, Unit, Labels FROM series FINAL ORDER BY MetricName, Labels"


def metrics(*found: Sample, seq: int = 1, **fields: Any) -> Frame:
    return frame(samples.encode(found), seq, signal=Signal.METRICS, **fields)


def sample(time: int = HOUR, value: float = 1, name: str = "m", **fields: Any) -> Sample:
    return Sample(time, name, value, **fields)


class Place:
    """The tables of both lanes and an archive."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.hot: Tables = hot_tables(engine, folder)
        self.bulk: Tables = bulk_tables(engine, folder)
        self.archive = Archive(engine, folder / "archive")
        self.folder = folder / "archive"

    async def rows(self, columns: str = "MetricName, Value") -> list[tuple[Any, ...]]:
        return await self.engine.rows(f"SELECT {columns} FROM samples ORDER BY ALL")


In = Callable[[Callable[[Place], Awaitable[None]]], None]


@pytest.fixture
def place(use: Use, tmp_path: Path) -> In:
    def run(body: Callable[[Place], Awaitable[None]]) -> None:
        async def whole(_table: LogTable, engine: Engine) -> None:
            found = Place(engine, tmp_path)
            await found.archive.open()
            await body(found)

        use(whole)

    return run


def test_a_sample_is_a_row_and_its_series_has_the_labels(place: In) -> None:
    async def body(place: Place) -> None:
        resource = {
            "host.name": "h1", "service.name": "node", "cloud.region": "", "process.pid": "7",
            "log.file.path": "/x", "sampling.threshold": "0",
        }  # fmt: skip
        cpu = sample(HOUR + 1_999_999, 0.25, "system.cpu", kind="counter", unit="s",
                     attributes={"cpu": "0", "empty": ""})  # fmt: skip
        await place.hot.insert([metrics(cpu, resource=resource)])
        labels = {"cpu": "0", "host.name": "h1", "service.name": "node"}
        assert await place.engine.rows(SERIES) == [("system.cpu", "counter", "s", labels)]
        columns = "Tenant, MetricName, toUnixTimestamp64Milli(Timestamp), Value, Source, Epoch, Seq"
        assert await place.rows(columns) == [
            ("default", "system.cpu", HOUR // 10**6 + 1, 0.25, "test", 1, 1)
        ]

    place(body)


def test_labels_make_one_series_wherever_they_stand_and_in_any_order(place: In) -> None:
    async def body(place: Place) -> None:
        pairs = [("a", "1"), ("b", "2"), ("c", "3")]
        ways = itertools.product(itertools.permutations(pairs), range(4))
        frames = [
            metrics(sample(attributes=dict(order[:cut])), seq=n, resource=dict(order[cut:]))
            for n, (order, cut) in enumerate(ways)
        ]
        await place.hot.insert(frames)
        assert len(await place.engine.rows("SELECT DISTINCT Fingerprint FROM samples")) == 1
        assert await place.engine.rows(SERIES) == [("m", "gauge", "", dict(pairs))]

    place(body)


def test_an_attribute_stands_before_the_resource(place: In) -> None:
    async def body(place: Place) -> None:
        own = sample(attributes={"host.name": "container"})
        await place.hot.insert([metrics(own, resource={"host.name": "machine"})])
        assert [row[3] for row in await place.engine.rows(SERIES)] == [{"host.name": "container"}]

    place(body)


def test_a_stale_marker_is_told_from_any_other_nan(place: In) -> None:
    async def body(place: Place) -> None:
        stale = [sample(HOUR, float("nan"), stale=True), sample(HOUR + 10**9, float("nan"))]
        await place.hot.insert([metrics(*stale, sample(HOUR + 2 * 10**9, 5))])
        found = await place.rows("Timestamp, reinterpretAsUInt64(Value) = 0x7ff0000000000002")
        assert [bool(marked) for _, marked in found] == [True, False, False]

    place(body)


def test_other_names_labels_and_tenants_are_other_series(place: In) -> None:
    async def body(place: Place) -> None:
        await place.hot.insert([
            metrics(sample(), sample(name="n"), sample(attributes={"a": "b"}),
                    sample(attributes={"ab": ""}), sample(attributes={"a": "bc", "d": ""}),
                    sample(attributes={"a": "b", "c": "d"})),
            metrics(sample(), tenant="other"),
        ])  # fmt: skip
        # The one whose only label is empty has none.
        found = await place.engine.rows("SELECT uniqExact(Fingerprint), count() FROM samples")
        assert found == [(6, 7)]

    place(body)


def test_a_series_is_written_once_an_hour_and_says_when_it_was_seen(place: In) -> None:
    async def body(place: Place) -> None:
        hours = [0, 0, 0, 1, 1, 5, 2, -3, 5]
        for n, hour in enumerate(hours):
            await place.hot.insert([metrics(sample(HOUR + hour * HOUR_NS + n), seq=n)])
        bounds = "toUnixTimestamp64Nano(min(FirstSeen)), toUnixTimestamp64Nano(max(LastSeen))"
        found = await place.engine.rows(f"SELECT count() <= 5, {bounds} FROM series")
        assert found == [(True, HOUR - 3 * HOUR_NS, HOUR + 5 * HOUR_NS)]

    place(body)


def test_every_number_comes_back(place: In) -> None:
    async def body(place: Place) -> None:
        numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2.0**63, float("inf"), float("-inf"),
                   float("nan"), 3]  # fmt: skip
        sent = [sample(HOUR + n * 10**6, value) for n, value in enumerate(numbers)]
        await place.hot.insert([metrics(*sent)])
        found = await place.engine.rows("SELECT Value FROM samples ORDER BY Timestamp")
        assert [struct.pack("d", v) for (v,) in found[:-2]] == [
            struct.pack("d", v) for v in numbers[:-2]
        ]
        assert str(found[-2][0]) == "nan" and found[-1][0] == 3

    place(body)


@pytest.mark.parametrize("value", [v for v in HOSTILE if len(v) < limits.LABEL_VALUE_BYTES])
def test_hostile_names_and_labels_survive_exactly(value: str, place: In) -> None:
    async def body(place: Place) -> None:
        one = sample(name=value[:255], unit=value[:255], attributes={value[:255]: value})
        resource = {f"r {value}": value}
        await place.hot.insert([metrics(one, resource=resource)])
        labels = {value[:255]: value, **resource}
        assert await place.engine.rows(SERIES) == [(value[:255], "gauge", value[:255], labels)]

    place(body)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"garbage",
        b'{"time":1}',
        b'{"name":"m","value":1}',
        b'{"time":"x","name":"m","value":1}',
        b'{"time":1,"name":"","value":1}',
        b'{"time":1,"name":"m","value":"many"}',
    ],
)
def test_a_line_that_is_no_sample_shows_in_the_count_of_its_frame_only(
    line: bytes, place: In
) -> None:
    async def body(place: Place) -> None:
        good = metrics(sample(), seq=1)
        data = samples.encode([sample()]) + line + b"\n"
        bad = frame(data, 2, signal=Signal.METRICS)
        await place.hot.insert([good, bad])
        found = await place.hot.stored([good.header, bad.header])
        assert found == {good.header.key: 1, bad.header.key: 1}

    place(body)


def test_samples_of_many_days_in_one_frame_are_stored(place: In) -> None:
    async def body(place: Place) -> None:
        old = metrics(*(sample(day * 86_400 * 10**9) for day in range(1, 301)))
        await place.hot.insert([old])
        assert await place.hot.stored([old.header]) == {old.header.key: 300}

    place(body)


def test_the_largest_labels_that_a_frame_may_repeat_fit_into_the_engine(place: In) -> None:
    async def body(place: Place) -> None:
        resource = {f"label.{n}": "x" * 4000 for n in range(32)}
        size = sum(len(key) + len(value) for key, value in resource.items())
        rows = limits.REPEATED_LABEL_BYTES // size
        sent = metrics(*(sample(HOUR + n * 10**6, n) for n in range(rows)), resource=resource)
        await place.hot.insert([sent])
        assert await place.hot.stored([sent.header]) == {sent.header.key: rows}

    place(body)


def archived(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(place.archive.manifest.paths()):
        if path.startswith("metrics/"):
            found += pq.ParquetFile(place.folder / path).read().to_pylist()
    return found


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("lane", ["hot", "bulk"])
def test_samples_are_archived_complete_beside_the_logs(lane: str, place: In) -> None:
    async def body(place: Place) -> None:
        tables = place.hot if lane == "hot" else place.bulk
        logs = frame(b'{"time":%d,"body":"a"}\n' % HOUR, 1)
        one = metrics(
            sample(HOUR, 1.5, unit="s", kind="counter", attributes={"cpu": "0"}),
            sample(HOUR + HOUR_NS, 2.5, attributes={"cpu": "1"}),
            seq=2, resource={"host.name": "h"},
        )  # fmt: skip
        other = metrics(sample(HOUR, 3), seq=3)
        await tables.insert([logs, one, other])
        headers = [logs.header, one.header]
        steps = (headers, []) if lane == "hot" else ([], headers)
        assert (await place.archive.step(*steps, Position(3, 99)))[0] == 3
        paths = sorted(path.partition("/day=")[0] for path in place.archive.manifest.paths())
        assert paths == ["metrics/tenant=default", "metrics/tenant=default", "tenant=default"]
        found = [
            (_text(r["MetricName"]), r["Value"], _text(r["Kind"]), _text(r["Unit"]),
             sorted((_text(k), _text(v)) for k, v in r["Labels"]), r["Seq"])
            for r in archived(place)
        ]  # fmt: skip
        assert sorted(found) == [
            ("m", 1.5, "counter", "s", [("cpu", "0"), ("host.name", "h")], 2),
            ("m", 2.5, "gauge", "", [("cpu", "1"), ("host.name", "h")], 2),
        ]

    place(body)


def test_a_step_of_samples_with_fewer_rows_than_its_frames_say_records_nothing(place: In) -> None:
    async def body(place: Place) -> None:
        sent = metrics(sample(), sample(HOUR + 10**9))
        await place.hot.insert([sent])
        wrong = msgspec.structs.replace(sent.header, rows=3)
        with pytest.raises(StoreError, match="2 rows where its frames say 3"):
            await place.archive.step([wrong], [], Position(3, 99))
        assert place.archive.manifest.paths() == set()

    place(body)
