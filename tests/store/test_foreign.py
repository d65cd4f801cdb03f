"""Records of no known format, from the door to the rows: by common names, whatever their nesting.

The store reads them in SQL, the writer's slow way and the doors of other protocols in Python; here
they must agree.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.frame import Frame, Hints
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.wire import elastic, records
from tailrace.writer.repair import readable

from .building import NOW, frame
from .conftest import Use

Row = dict[str, Any]
COLUMNS = {
    "time": "toUnixTimestamp64Nano(Timestamp)",
    "severity": "SeverityText",
    "number": "SeverityNumber",
    "body": "Body",
    "service": "ServiceName",
    "host": "HostName",
    "trace_id": "TraceId",
    "span_id": "SpanId",
    "attributes": "LogAttributes",
}
EMPTY: Row = {
    "time": NOW + 1,
    "severity": "",
    "number": 0,
    "body": "",
    "service": "unknown_service",
    "host": "",
    "trace_id": "",
    "span_id": "",
    "attributes": {},
}
AT_NS = 1_788_256_800_250_000_000
_numbers = itertools.count(1)


async def rows_of(sent: Frame, table: LogTable, engine: Engine) -> list[Row]:
    seq = next(_numbers)
    header = msgspec.structs.replace(sent.header, seq=seq)
    await table.insert([Frame(header, sent.payload)])
    found = await engine.rows(f"SELECT {', '.join(COLUMNS.values())} FROM logs WHERE Seq = {seq}")
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def accepted(data: bytes, hints: Hints | None = None, **fields: Any) -> Frame:
    """The frame that the door makes of a body."""
    content = records.decode(data, hints or Hints())
    assert content.hints.foreign
    return frame(content.data, codec=content.codec, hints=content.hints, **fields)


STORED: list[tuple[str, Row, Row]] = [
    (
        "a logger's usual names",
        {"timestamp": "2026-09-01T10:00:00.250Z", "level": "warn", "message": "low", "user": "u1"},
        {"time": AT_NS, "severity": "warn", "number": 13, "body": "low",
         "attributes": {"user": "u1"}},
    ),
    (
        "the common schema, nested",
        {"@timestamp": "2026-09-01T10:00:00.250Z", "log": {"level": "error", "logger": "a.b"},
         "message": "m", "service": {"name": "shop"}, "host": {"name": "h1"},
         "trace": {"id": "AB" * 16}, "span": {"id": "CD" * 8}, "http": {"status": 200}},
        {"time": AT_NS, "severity": "error", "number": 17, "body": "m", "service": "shop",
         "host": "h1", "trace_id": "ab" * 16, "span_id": "cd" * 8,
         "attributes": {"log.logger": "a.b", "http.status": "200"}},
    ),
    (
        "of two names the first of the table",
        {"time": 5, "ts": 6, "@timestamp": AT_NS // 10**6, "msg": "a", "message": "b"},
        {"time": AT_NS, "body": "b", "attributes": {"time": "5", "ts": "6", "msg": "a"}},
    ),
    (
        "a time that is none stays",
        {"time": "noon", "msg": "m"},
        {"body": "m", "attributes": {"time": "noon"}},
    ),
    (
        "deep objects, arrays and nothing",
        {"msg": "m", "a": {"b": {"c": [1, {"d": 2}]}, "e": None, "f": {}, "g": "x"}, "h": [],
         "i": True},
        {"body": "m", "attributes": {"a.b.c": '[1,{"d":2}]', "a.e": "null", "a.f": "{}",
                                     "a.g": "x", "h": "[]", "i": "true"}},
    ),
    ("a message that is no text", {"message": 5, "x": 1}, {"body": "5", "attributes": {"x": "1"}}),
]  # fmt: skip


@pytest.mark.parametrize(("record", "row"), [c[1:] for c in STORED], ids=[c[0] for c in STORED])
def test_the_engine_and_the_slow_way_find_the_common_names(record: Row, row: Row, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(json.dumps(record, separators=(",", ":")).encode())
        assert await rows_of(sent, table, engine) == [EMPTY | row]
        assert await rows_of(readable(sent), table, engine) == [EMPTY | row]

    use(body)


def test_a_record_without_a_body_is_stored_whole(use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        (row,) = await rows_of(accepted(b'{"a": {"b": 1.50}}'), table, engine)
        assert row["body"] == '{"a.b":1.50}'
        assert row["attributes"] == {"a.b": "1.5"}

    use(body)


def test_hints_name_nested_keys_and_then_nothing_else_is_that_field(use: Use) -> None:
    hints = Hints(severity="meta.lvl", body="meta.text", time_unit="auto", foreign=True)
    data = b'{"meta":{"lvl":"error","text":"m"},"level":"info","message":"other"}\n'

    async def body(table: LogTable, engine: Engine) -> None:
        for sent in (accepted(data, hints), readable(accepted(data, hints))):
            (row,) = await rows_of(sent, table, engine)
            assert (row["severity"], row["body"]) == ("error", "m")
            assert row["attributes"] == {"level": "info", "message": "other"}

    use(body)


def test_the_senders_host_is_not_what_a_record_calls_host(use: Use) -> None:
    data = b'{"message":"GET /","host":"shop.example"}\n'

    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(data, resource={"host.name": "h1"})
        for one in (sent, readable(sent)):
            (row,) = await rows_of(one, table, engine)
            assert row["host"] == "h1"
            assert row["attributes"] == {"host": "shop.example"}
        (row,) = await rows_of(accepted(data), table, engine)
        assert (row["host"], row["attributes"]) == ("shop.example", {})
        mixed = [accepted(data, seq=9001, resource={"host.name": "h1"}), accepted(data, seq=9002)]
        await table.insert(mixed)
        found = await engine.rows("SELECT HostName FROM logs WHERE Seq > 9000 ORDER BY Seq")
        assert [host for (host,) in found] == ["h1", "shop.example"]

    use(body)


TEXTS = st.text('abé"\\{}: ', max_size=5)
VALUES = st.recursive(
    TEXTS | st.integers(-9, 10**12) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["@timestamp", "ts", "message", "log", "level", "severity", "service", "host", "trace_id",
     "x", "y"]
)  # fmt: skip
PARTS = st.dictionaries(st.sampled_from(["level", "name"]), TEXTS)
OBJECTS = st.dictionaries(NAMES, VALUES | PARTS, min_size=1)
# As the engine writes what it cuts out.
COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
SLOWLY = settings(
    max_examples=examples(8),
    phases=[Phase.explicit, Phase.generate],  # each example costs the engine an insert
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SLOWLY
@given(found=st.lists(OBJECTS, min_size=1, max_size=20))
def test_any_records_are_read_alike_by_the_engine_and_the_slow_way(
    found: list[Row], use: Use
) -> None:
    data = b"\n".join(COMPACT({"odd": 1, **one}).encode() for one in found)

    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(data)
        fast = await rows_of(sent, table, engine)
        slow = await rows_of(readable(sent), table, engine)
        assert len(fast) == len(found)
        assert sorted(map(repr, fast)) == sorted(map(repr, slow))

    use(body)


@SLOWLY
@given(found=st.lists(OBJECTS, min_size=1, max_size=20))
def test_any_documents_fill_the_same_columns_from_either_door(found: list[Row], use: Use) -> None:
    bodies = [json.dumps({"odd": n, **one}).encode() for n, one in enumerate(found)]
    action = b'\n{"create":{"_index":"a"}}\n'

    async def body(table: LogTable, engine: Engine) -> None:
        bulk = elastic.decode(action.join([b"", *bodies]) + b"\n").content
        assert bulk is not None
        plain = await rows_of(accepted(b"\n".join(bodies)), table, engine)
        sent = await rows_of(frame(bulk.data, codec=bulk.codec, hints=bulk.hints), table, engine)
        for row in sent:
            del row["attributes"]["elasticsearch.index"]

        def number(row: Row) -> int:
            return int(row["attributes"]["odd"])

        for one, other in zip(sorted(plain, key=number), sorted(sent, key=number), strict=True):
            # The texts of arrays, and of whole records, are written in another way.
            columns = ("time", "severity", "service", "host", "trace_id")
            assert [one[name] for name in columns] == [other[name] for name in columns]
            assert one["attributes"].keys() == other["attributes"].keys()

    use(body)
