"""What the tables of spans promise the writer, the archive and a query."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.frame import Frame, Signal
from tailrace.store import schema
from tailrace.store.archive import Archive
from tailrace.store.decode import LAST_NS
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.spans import KINDS, STATUSES
from tailrace.store.tables import Tables, bulk_tables, hot_tables
from tailrace.wire import spans
from tailrace.wire.spans import Event, Link, Span

from .building import HOUR_NS, NOW, frame
from .conftest import Use
from .test_logs import HOSTILE

HOUR = NOW - NOW % HOUR_NS
TRACE = "0af7651916cd43dd8448eb211c80319c"
COLUMNS = {
    **{name: name for name in schema.SPAN_NAMES},
    "Timestamp": "toUnixTimestamp64Nano(Timestamp)",
    "IngestTime": "toUnixTimestamp64Nano(IngestTime)",
    "Events.Timestamp": "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp)",
}
ROWS = f"SELECT {', '.join(COLUMNS.values())} FROM spans ORDER BY Timestamp, SpanId"


def span(time: int = HOUR, span_id: str = "b7ad6b7169203331", **fields: Any) -> Span:
    return Span(time, fields.pop("name", "GET /cart"), TRACE, span_id, **fields)


def traced(*found: Span, seq: int = 1, **fields: Any) -> Frame:
    return frame(spans.encode(found), seq, signal=Signal.SPANS, **fields)


def row(sent: Span, seq: int = 1, resource: dict[str, str] | None = None) -> dict[str, Any]:
    """The columns that a span shall become."""
    whole = {**(resource or {}), **sent.resource}
    return {
        "Tenant": "default",
        "Timestamp": sent.time,
        "IngestTime": NOW + seq,
        "TraceId": sent.trace_id,
        "SpanId": sent.span_id,
        "ParentSpanId": sent.parent_span_id,
        "TraceState": sent.trace_state,
        "SpanName": sent.name,
        "SpanKind": KINDS.get(sent.kind, "Unspecified"),
        "ServiceName": sent.service or whole.get("service.name") or "unknown_service",
        "HostName": whole.get("host.name", ""),
        "ResourceAttributes": whole,
        "ScopeName": sent.scope_name,
        "ScopeVersion": sent.scope_version,
        "SpanAttributes": sent.attributes,
        "Duration": sent.duration,
        "StatusCode": STATUSES.get(sent.status, "Unset"),
        "StatusMessage": sent.status_message,
        "Events.Timestamp": [event.time or sent.time for event in sent.events],
        "Events.Name": [event.name for event in sent.events],
        "Events.Attributes": [event.attributes for event in sent.events],
        "Links.TraceId": [link.trace_id for link in sent.links],
        "Links.SpanId": [link.span_id for link in sent.links],
        "Links.TraceState": [link.trace_state for link in sent.links],
        "Links.Attributes": [link.attributes for link in sent.links],
        "Weight": 1,
        "Source": "test",
        "Epoch": 1,
        "Seq": seq,
    }


class Place:
    """The tables of both lanes and an archive."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.hot: Tables = hot_tables(engine, folder)
        self.bulk: Tables = bulk_tables(engine, folder)
        self.archive = Archive(engine, folder / "archive")
        self.folder = folder / "archive"

    async def rows(self) -> list[dict[str, Any]]:
        found = await self.engine.rows(ROWS)
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]


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


WHOLE = span(
    HOUR + 1, duration=2**63 - 1, parent_span_id="00f067aa0ba902b7", trace_state="a=1,b=2",
    kind="server", service="web", status="error", status_message="no such cart",
    scope_name="shop.http", scope_version="1.2", attributes={"http.route": "/cart"},
    resource={"service.name": "other", "host.name": "h1", "cloud.region": "eu"},
    events=[Event(HOUR + 2, "exception", {"exception.type": "KeyError"}), Event(name="late")],
    links=[Link(TRACE[::-1], "00f067aa0ba902b8", "c=3", {"why": "retry"}), Link()],
)  # fmt: skip


def test_a_span_has_the_columns_and_words_of_the_exporter(place: In) -> None:
    async def body(place: Place) -> None:
        await place.hot.insert([traced(WHOLE, span(HOUR + 2))])
        found = await place.rows()
        assert found == [row(WHOLE), row(span(HOUR + 2))]
        assert (found[0]["SpanKind"], found[0]["StatusCode"]) == ("Server", "Error")
        assert (found[1]["SpanKind"], found[1]["StatusCode"]) == ("Unspecified", "Unset")

    place(body)


def test_the_resource_of_a_frame_is_under_that_of_a_span(place: In) -> None:
    async def body(place: Place) -> None:
        own = span(resource={"host.name": "container", "k": "v"})
        frames = [
            traced(own, seq=1, resource={"host.name": "machine", "service.name": "agent's"}),
            traced(span(HOUR + 1), seq=2, resource={"host.name": "machine"}),
            traced(span(HOUR + 2, service="named"), seq=3, resource={"service.name": "other"}),
        ]
        await place.hot.insert(frames)
        sent = [own, span(HOUR + 1), span(HOUR + 2, service="named")]
        found = await place.rows()
        assert found == [
            row(one, seq, frames[seq - 1].header.resource) for seq, one in enumerate(sent, 1)
        ]
        assert [r["HostName"] for r in found] == ["container", "machine", ""]
        assert [r["ServiceName"] for r in found] == ["agent's", "unknown_service", "named"]

    place(body)


@pytest.mark.parametrize("time", [0, LAST_NS + 1, 2**63 - 1])
def test_a_span_without_a_time_that_is_one_has_that_of_ingest(time: int, place: In) -> None:
    async def body(place: Place) -> None:
        await place.hot.insert([traced(span(time, events=[Event(time)]))])
        assert [(r["Timestamp"], r["Events.Timestamp"]) for r in await place.rows()] == [
            (NOW + 1, [NOW + 1])
        ]

    place(body)


TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(HOSTILE)
).filter(lambda text: len(text) <= 4096)
PAIRS = st.dictionaries(TEXT, TEXT, max_size=3)
TIMES = st.integers(HOUR - 40 * 86_400 * 10**9, HOUR + HOUR_NS)


def ids(digits: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=digits, max_size=digits)


SPANS = st.builds(
    Span,
    time=TIMES,
    name=TEXT,
    trace_id=ids(32),
    span_id=ids(16),
    duration=st.integers(0, 2**63 - 1),
    parent_span_id=st.one_of(st.just(""), ids(16)),
    trace_state=TEXT,
    kind=st.sampled_from(["", *KINDS]),
    service=TEXT,
    status=st.sampled_from(["", *STATUSES]),
    status_message=TEXT,
    scope_name=TEXT,
    scope_version=TEXT,
    attributes=PAIRS,
    resource=PAIRS,
    events=st.lists(st.builds(Event, st.one_of(st.just(0), TIMES), TEXT, PAIRS), max_size=3),
    links=st.lists(st.builds(Link, ids(32), ids(16), TEXT, PAIRS), max_size=3),
)


@settings(
    max_examples=examples(10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sent=st.lists(SPANS, min_size=1, max_size=12), resource=PAIRS)
def test_any_spans_come_back_as_they_were_sent(
    sent: list[Span], resource: dict[str, str], place: In
) -> None:
    async def body(place: Place) -> None:
        await place.hot.clear()
        await place.hot.insert([traced(*sent, resource=resource)])
        expected = [row(one, 1, resource) for one in sent]
        assert sorted(await place.rows(), key=repr) == sorted(expected, key=repr)

    place(body)


GOOD = spans.encode([span()])[:-2]


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[]",
        GOOD + b',"time":"x"}',
        GOOD + b',"name":"twice"}',
        GOOD + b',"events":[1]}',
        GOOD + b',"events":[{"time":"x"}]}',
        GOOD + b',"events":[{"time":1,"time":2}]}',
        GOOD + b',"links":{}}',
        GOOD + b',"attributes":[]}',
        GOOD + b',"duration":-1}',
    ],
)
def test_a_line_that_is_no_span_shows_in_the_count_of_its_frame_only(
    line: bytes, place: In
) -> None:
    async def body(place: Place) -> None:
        good = traced(span(), seq=1)
        bad = frame(spans.encode([span()]) + line + b"\n", 2, signal=Signal.SPANS)
        await place.hot.insert([good, bad])
        found = await place.hot.stored([good.header, bad.header])
        assert found == {good.header.key: 1, bad.header.key: 1}

    place(body)


def test_spans_of_many_days_in_one_frame_are_stored(place: In) -> None:
    async def body(place: Place) -> None:
        old = traced(*(span(day * 86_400 * 10**9) for day in range(1, 301)))
        await place.hot.insert([old])
        assert await place.hot.stored([old.header]) == {old.header.key: 300}

    place(body)


def test_the_largest_resource_that_a_frame_may_repeat_fits_into_the_engine(place: In) -> None:
    async def body(place: Place) -> None:
        resource = {f"label.{n}": "x" * 4000 for n in range(32)}
        size = sum(len(key) + len(value) for key, value in resource.items())
        rows = limits.REPEATED_LABEL_BYTES // size
        sent = [
            traced(*[span(resource={"k": "v"})] * rows, seq=n, resource=resource) for n in range(4)
        ]
        await place.hot.insert(sent)
        found = await place.hot.stored([one.header for one in sent])
        assert list(found.values()) == [rows] * 4

    place(body)


def test_a_trace_is_found_by_the_index_of_its_id(place: In) -> None:
    async def body(place: Place) -> None:
        await place.hot.insert([traced(span())])
        plan = await place.engine.rows(
            f"EXPLAIN indexes = 1 SELECT * FROM spans WHERE TraceId = '{TRACE}'"
        )
        assert any("trace_id" in line for (line,) in plan)

    place(body)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


@pytest.mark.parametrize("lane", ["hot", "bulk"])
def test_spans_are_archived_complete_in_a_folder_of_their_own(lane: str, place: In) -> None:
    async def body(place: Place) -> None:
        tables = place.hot if lane == "hot" else place.bulk
        logs = frame(b'{"time":%d,"body":"a"}\n' % HOUR, 1)
        one = traced(WHOLE, span(HOUR + HOUR_NS), seq=2, resource={"k": "v"})
        other = traced(span(), seq=3)
        await tables.insert([logs, one, other])
        headers = [logs.header, one.header]
        steps = (headers, []) if lane == "hot" else ([], headers)
        assert (await place.archive.step(*steps, Position(3, 99)))[0] == 3
        paths = sorted(place.archive.manifest.paths())
        assert [path.partition("/day=")[0] for path in paths] == [
            "spans/tenant=default", "spans/tenant=default", "tenant=default"
        ]  # fmt: skip
        found = [r for path in paths[:2] for r in columns_of(place.folder / path)]
        expected = [row(WHOLE, 2, {"k": "v"}), row(span(HOUR + HOUR_NS), 2, {"k": "v"})]
        assert found == [{name: _listed(value) for name, value in r.items()} for r in expected]

    place(body)


def columns_of(path: Path) -> list[dict[str, Any]]:
    """Rows of a file, times as nanoseconds and maps as lists of pairs."""
    table = pq.ParquetFile(path).read()
    assert table.column_names == list(schema.SPAN_NAMES)
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if name in ("Timestamp", "IngestTime"):
            column = column.cast("int64")
        if name == "Events.Timestamp":
            values = [[int(t.value) for t in times] for times in column.to_pylist()]
        else:
            values = _plain(column.to_pylist())
        columns[name] = values
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return [[key, text] for key, text in value.items()]
    return [_listed(part) for part in value] if isinstance(value, list) else value
