"""Records on the edge of what is canonical, from the door's check to the rows.

The door reads JSON with msgspec, the engine with JSONEachRow, the slow way with msgspec again.
Here stands where they differ. `fast` is what the engine makes of a record that the door took,
`slow` what the writer's slow way makes of it; where no `slow` is given both are the same.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import InputError
from tailrace.core.frame import Frame
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.wire import records
from tailrace.writer.repair import readable

from .building import NOW, frame
from .conftest import Use

Row = dict[str, Any]
COLUMNS = {
    "time": "toUnixTimestamp64Nano(Timestamp)",
    "severity": "SeverityText",
    "body": "Body",
    "service": "ServiceName",
    "attributes": "arrayZip(mapKeys(LogAttributes), mapValues(LogAttributes))",
    "resource": "arrayZip(mapKeys(ResourceAttributes), mapValues(ResourceAttributes))",
}
EMPTY: Row = {
    "time": NOW + 1,
    "severity": "",
    "body": "",
    "service": "unknown_service",
    "attributes": [],
    "resource": [],
}
DEEP = b"[" * 900 + b"]" * 900


_numbers = itertools.count(1)


async def rows_of(sent: Frame, table: LogTable, engine: Engine) -> list[Row]:
    seq = next(_numbers)
    header = msgspec.structs.replace(sent.header, seq=seq)
    await table.insert([Frame(header, sent.payload)])
    found = await engine.rows(f"SELECT {', '.join(COLUMNS.values())} FROM logs WHERE Seq = {seq}")
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def accepted(line: bytes) -> Frame:
    """The frame that the door makes of a line."""
    content = records.decode(line)
    return frame(content.data, codec=content.codec, hints=content.hints)


def attributes(*pairs: tuple[str, str]) -> Row:
    return {"attributes": list(pairs)}


STORED: list[tuple[str, bytes, Row]] = [
    ("an empty object", b"{}", {}),
    ("only nulls", b'{"time":null,"body":null,"service":null,"attributes":null}', {}),
    ("an escaped key", b'{"bo\\u0064y":"x"}', {"body": "x"}),
    ("an escaped NUL", b'{"body":"a\\u0000b"}', {"body": "a\0b"}),
    ("a surrogate pair", b'{"body":"\\ud83d\\ude00"}', {"body": "\U0001f600"}),
    ("escapes", b'{"body":"a\\/b\\b\\f\\t\\"\\\\"}', {"body": 'a/b\b\f\t"\\'}),
    ("layout", b' { "body" : "x" } \r', {"body": "x"}),
    ("time 0", b'{"time":0}', {}),
    ("the last time that is one", b'{"time":9000000000000000000}', {"time": 9 * 10**18}),
    ("a later time, lost for the time of ingest", b'{"time":9000000000000000001}', {}),
    ("the largest time, lost too", b'{"time":9223372036854775807}', {}),
    (
        "an attribute twice: both are kept, and the first is what LogAttributes['a'] finds",
        b'{"attributes":{"a":"1","b":"","\\u0061":"2"}}',
        attributes(("a", "1"), ("b", ""), ("a", "2")),
    ),
    (
        "keys that differ by case",
        b'{"attributes":{"a":"1","A":"2"}}',
        attributes(("a", "1"), ("A", "2")),
    ),
    ("an empty key", b'{"attributes":{"":"1"}}', attributes(("", "1"))),
    (
        "numbers, as they were written",
        b'{"attributes":{"a":1e3,"b":-0,"c":1.50,"d":1E+400,"e":123456789012345678901234567890}}',
        attributes(
            ("a", "1e3"),
            ("b", "-0"),
            ("c", "1.50"),
            ("d", "1E+400"),
            ("e", "123456789012345678901234567890"),
        ),
    ),
    (
        "booleans, and null as nothing",
        b'{"attributes":{"a":true,"b":false,"c":null}}',
        attributes(("a", "true"), ("b", "false"), ("c", "")),
    ),
    (
        "arrays and objects, as they were written",
        b'{"attributes":{"a":[1,"x", null],"b":{"k":{"k":1, "k":2}}}}',
        attributes(("a", '[1,"x", null]'), ("b", '{"k":{"k":1, "k":2}}')),
    ),
    ("deep nesting", b'{"attributes":{"a":' + DEEP + b"}}", attributes(("a", DEEP.decode()))),
    (
        "a number as a resource",
        b'{"resource":{"service.name":5}}',
        {"service": "5", "resource": [("service.name", "5")]},
    ),
    ("null as a resource", b'{"resource":{"a":null}}', {"resource": [("a", "")]}),
    (
        "a top-level key in another case, which makes it foreign",
        b'{"body":"x","BODY":"y"}',
        {"body": "x", **attributes(("BODY", "y"))},
    ),
]


@pytest.mark.parametrize(("line", "fast"), [c[1:] for c in STORED], ids=[c[0] for c in STORED])
def test_the_engine_and_the_slow_way_store_the_same(line: bytes, fast: Row, use: Use) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(line)
        assert await rows_of(sent, table, engine) == [EMPTY | fast]
        assert await rows_of(readable(sent), table, engine) == [EMPTY | fast]

    use(body)


REFUSED_BY_ENGINE: list[tuple[str, bytes, Row]] = [
    ("body twice", b'{"body":"a","body":"b"}', {"body": "b"}),
    ("body twice, once escaped", b'{"body":"a","bo\\u0064y":"b"}', {"body": "b"}),
    ("time twice", b'{"time":1,"time":2}', {"time": 2}),
    ("severity twice", b'{"severity":"a","severity":"b"}', {"severity": "b"}),
    (
        "attributes twice",
        b'{"attributes":{"a":"1"},"attributes":{"b":"2"}}',
        attributes(("b", "2")),
    ),
    (
        "resource twice",
        b'{"resource":{"service.name":"a"},"resource":{"b":"2"}}',
        {"resource": [("b", "2")]},
    ),
    ("the time minus nothing", b'{"time":-0}', {}),
]


@pytest.mark.parametrize(
    ("line", "slow"), [c[1:] for c in REFUSED_BY_ENGINE], ids=[c[0] for c in REFUSED_BY_ENGINE]
)
def test_what_the_door_takes_and_the_engine_refuses_is_stored_the_slow_way(
    line: bytes, slow: Row, use: Use
) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(line)
        await table.insert([sent])
        assert await table.stored([sent.header]) == {}
        assert await rows_of(readable(sent), table, engine) == [EMPTY | slow]

    use(body)


@pytest.mark.parametrize(
    "line",
    [
        b'{"time":1e3}',
        b'{"time":1.0}',
        b'{"time":-1}',
        b'{"time":9223372036854775808}',
        b'{"body":"\\ud800"}',
        b'{"body":"\\udc00x"}',
        b'{"attributes":{"\\ud800":"a"}}',
        b'{"attributes":{"a":["\\ud800"]}}',
        b'{"attributes":{"a":NaN}}',
        b'{"attributes":{"a":01}}',
        b'{"body":"x"}{"body":"y"}',
        b'{"body":"x"},',
        b'{"attributes":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}",
    ],
)
def test_the_door_refuses_what_could_only_be_guessed(line: bytes) -> None:
    with pytest.raises(InputError):
        records.decode(line)


NUMBERS = st.sampled_from(["0", "-0", "1e3", "-1.5E-7", "1" * 40, "1E+400", "0.10"])
TEXTS = st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0))
KEYS = st.one_of(TEXTS, st.sampled_from(['"a"', '"\\u0061"', '"A"', '""', '"{"']))
VALUES = st.recursive(
    st.one_of(TEXTS, NUMBERS, st.sampled_from(["null", "true", "false"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(lambda pairs: _object(pairs)),
    ),
    max_leaves=6,
)
OBJECTS = st.lists(st.tuples(KEYS, VALUES), max_size=4).map(lambda pairs: _object(pairs))
FIELDS = st.one_of(
    st.tuples(st.sampled_from(['"body"', '"severity"', '"service"', '"trace_id"']), TEXTS),
    st.tuples(st.sampled_from(['"attributes"', '"resource"']), OBJECTS),
    st.tuples(st.just('"time"'), st.integers(0, 2**63 - 1).map(str)),
    st.tuples(st.sampled_from(['"body"', '"span_id"', '"attributes"', '"time"']), st.just("null")),
)


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{key}: {value}" for key, value in pairs) + "}"


@given(
    lines=st.lists(st.lists(FIELDS, max_size=5, unique_by=lambda f: f[0]), min_size=1, max_size=20)
)
@settings(
    max_examples=examples(10), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_records_that_the_door_takes_are_read_alike_by_the_engine_and_the_slow_way(
    lines: list[list[tuple[str, str]]], use: Use
) -> None:
    data = "\n".join(_object(fields) for fields in lines).encode()

    async def body(table: LogTable, engine: Engine) -> None:
        sent = accepted(data)
        fast = await rows_of(sent, table, engine)
        slow = await rows_of(readable(sent), table, engine)
        assert len(fast) == sent.header.rows
        assert sorted(map(repr, fast)) == sorted(map(repr, slow))

    use(body)
