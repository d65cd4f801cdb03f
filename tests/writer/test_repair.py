"""What the slow way makes of the lines of a frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tailrace.core.errors import InputError
from tailrace.core.frame import CANONICAL, Codec, Frame, Hints, Signal
from tailrace.core.payload import compress, expand
from tailrace.writer.repair import readable

from .building import frame


def sent(data: bytes, rows: int = 1, **fields: Any) -> Frame:
    header = msgspec.structs.replace(frame(1).header, rows=rows, bytes=len(data), **fields)
    return Frame(header, compress(data))


def repaired(data: bytes, rows: int = 1, **fields: Any) -> list[bytes]:
    found = readable(sent(data, rows, **fields))
    assert (found.header.codec, found.header.hints) == (Codec.RECORDS, CANONICAL)
    lines = expand(found.payload, 1 << 20).splitlines()
    assert len(lines) == found.header.rows
    return lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"body":"a","body":"b"}', b'{"body":"b"}'),
        (b'{"body":"a","bo\\u0064y":"b"}', b'{"body":"b"}'),
        (b'{"time":-0,"body":"a"}', b'{"time":0,"body":"a"}'),
        (b'{"time":null,"body":null}', b'{"body":null}'),
        (
            b'{"attributes":{"n":1E+400, "m":-0,"z":null}}',
            b'{"attributes":{"n":1E+400, "m":-0,"z":null}}',
        ),
        (
            b'{"extra":1e3,"attributes":{"a":"b"}}',
            b'{"attributes":{"a":"b","extra":1e3,"tailrace.error":"unexpected_field"}}',
        ),
        (
            b'{"time":"noon","attributes":7}',
            b'{"attributes":{"time":"noon","attributes":7,"tailrace.error":"unexpected_field"}}',
        ),
        (b"plain text", b'{"body":"plain text","attributes":{"tailrace.error":"malformed"}}'),
        (b"[1]", b'{"body":"[1]","attributes":{"tailrace.error":"malformed"}}'),
        (b'{"a"', b'{"body":"{\\"a\\"","attributes":{"tailrace.error":"malformed"}}'),
    ],
)
def test_a_record_is_handed_on_as_it_was_written_where_the_engine_can_read_it(
    line: bytes, expected: bytes
) -> None:
    assert repaired(line + b"\n") == [expected]


@pytest.mark.parametrize(
    ("unit", "value", "time_ns"),
    [
        ("ns", b"1790000000123456789", 1_790_000_000_123_456_789),
        ("s", b"1790000000", 1_790_000_000_000_000_000),
        ("ms", b'"1790000000123"', 1_790_000_000_123_000_000),
        ("us", b"1790000000123456", 1_790_000_000_123_456_000),
        ("auto", b"1790000000.5", 1_790_000_000_500_000_000),
        ("auto", b"1790000000123456789", 1_790_000_000_123_456_789),
        ("auto", b'"2026-09-01T10:00:00.25+02:00"', 1_788_249_600_250_000_000),
        ("rfc3339", b'"2026-09-01T10:00:00Z"', 1_788_256_800_000_000_000),
    ],
)
def test_a_foreign_record_keeps_its_time(unit: str, value: bytes, time_ns: int) -> None:
    hints = Hints(time="ts", time_unit=unit, foreign=True)
    [line] = repaired(b'{"ts":' + value + b"}\n", hints=hints)
    # The engine, too, multiplies what is not nanoseconds as a float of 53 bits.
    assert msgspec.json.decode(line)["time"] // 1000 == time_ns // 1000


@pytest.mark.parametrize("value", [b'"noon"', b"1e999", b"-5", b"99999999999999999999"])
def test_a_foreign_time_that_is_none_becomes_an_attribute(value: bytes) -> None:
    hints = Hints(time="ts", time_unit="auto", foreign=True)
    [line] = repaired(b'{"ts":' + value + b"}\n", hints=hints)
    assert b'"attributes":{"ts":' + value + b"}" in line
    assert b'"time"' not in line


def test_a_foreign_record_keeps_the_meaning_of_its_hints() -> None:
    hints = Hints(severity="lvl", body="msg", service="app", foreign=True)
    line = b'{"lvl":"warn","msg":"m","app":"cart","user":{"id": 7},"gone":null}\n'
    assert repaired(line, hints=hints) == [
        b'{"body":"m","severity":"warn","service":"cart",'
        b'"attributes":{"user":{"id": 7},"gone":"null"}}'
    ]


def test_a_foreign_record_without_a_body_is_its_own_body() -> None:
    [line] = repaired(b'{"a": 1}\n', hints=Hints(foreign=True))
    assert msgspec.json.decode(line)["body"] == '{"a": 1}'


def test_rows_that_are_missing_stand_as_empty_ones() -> None:
    empty = b'{"body":"","attributes":{"tailrace.error":"malformed"}}'
    assert repaired(b'{"body":"a"}\n\n', rows=3) == [b'{"body":"a"}', empty, empty]


def test_rows_beyond_the_header_are_kept_and_counted() -> None:
    assert readable(sent(b'{"body":"a"}\n{"body":"b"}\n', rows=1)).header.rows == 2


def test_samples_come_out_as_they_were_meant() -> None:
    line = b'{"name":"a","name":"b","time":1,"value":"NaN","attributes":{"k":"1","k":"2"}}'
    assert repaired(line + b"\n", signal=Signal.METRICS) == [
        b'{"time":1,"name":"b","value":"NaN","attributes":{"k":"2"}}'
    ]


@pytest.mark.parametrize("line", [b"{}", b"text", b'{"time":0,"name":"a","value":1}', b"\xff"])
def test_a_line_of_metrics_that_is_no_sample_makes_its_frame_unreadable(line: bytes) -> None:
    good = b'{"time":1,"name":"a","value":1}'
    with pytest.raises(InputError):
        readable(sent(good + b"\n" + line + b"\n", 2, signal=Signal.METRICS))


def test_spans_come_out_as_they_were_meant() -> None:
    line = (
        b'{"time":1,"name":"a","name":"b","trace_id":"a1","span_id":"b2","duration":5,'
        b'"events":[{"name":"x","name":"y"}]}'
    )
    assert repaired(line + b"\n", signal=Signal.SPANS) == [
        b'{"time":1,"name":"b","trace_id":"a1","span_id":"b2","duration":5,"events":[{"name":"y"}]}'
    ]


@pytest.mark.parametrize("line", [b"{}", b"text", b'{"time":1,"name":"a","value":1}', b"\xff"])
def test_a_line_of_spans_that_is_no_span_makes_its_frame_unreadable(line: bytes) -> None:
    good = b'{"time":1,"name":"a","trace_id":"a1","span_id":"b2"}'
    with pytest.raises(InputError):
        readable(sent(good + b"\n" + line + b"\n", 2, signal=Signal.SPANS))


def test_the_identity_stays() -> None:
    odd = sent(b"text\n", resource={"host.name": "h"}, weight=20)
    header = readable(odd).header
    assert (header.key, header.received_ns) == (odd.header.key, odd.header.received_ns)
    assert (header.resource, header.weight) == ({"host.name": "h"}, 20)


@pytest.mark.parametrize("payload", [b"", b"no zstd", compress(b"x" * 1000)[:-3]])
def test_bytes_that_are_no_zstd_cannot_be_read(payload: bytes) -> None:
    whole = sent(b"x\n")
    if payload:
        with pytest.raises(InputError):
            readable(Frame(whole.header, payload))
    else:
        assert readable(Frame(whole.header, payload)).header.rows == 1


def test_newlines_within_a_line_are_put_back() -> None:
    found = repaired(b"a\x1eb\n", codec=Codec.LINES, hints=Hints(newline="\x1e"))
    assert msgspec.json.decode(found[0])["body"] == "a\nb"
