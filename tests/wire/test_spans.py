"""Spans: what is encoded is accepted and comes back, and of what is not the line is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits, span
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import spans
from tailrace.wire.spans import Event, Link, Span

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PAIRS = st.dictionaries(TEXT, TEXT, max_size=4)
NANOS = st.integers(0, 2**63 - 1)


def ids(digits: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=digits, max_size=digits)


SPANS = st.builds(
    Span,
    time=NANOS,
    name=TEXT,
    trace_id=ids(32),
    span_id=ids(16),
    duration=NANOS,
    parent_span_id=st.one_of(st.just(""), ids(16)),
    trace_state=TEXT,
    kind=st.sampled_from(["", "internal", "server", "client", "producer", "consumer"]),
    service=TEXT,
    status=st.sampled_from(["", "ok", "error"]),
    status_message=TEXT,
    scope_name=TEXT,
    scope_version=TEXT,
    attributes=PAIRS,
    resource=PAIRS,
    events=st.lists(st.builds(Event, NANOS, TEXT, PAIRS), max_size=3),
    links=st.lists(st.builds(Link, ids(32), ids(16), TEXT, PAIRS), max_size=3),
)
START = b'{"time":1,"name":"a","trace_id":"a1","span_id":"b2"'
GOOD = START + b"}\n"


def with_(more: bytes) -> bytes:
    return START + b"," + more + b"}"


def many(item: bytes, count: int) -> bytes:
    return b",".join([item] * count)


def named(count: int) -> bytes:
    return b",".join(b'"k%d":""' % n for n in range(count))


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_spans_round_trip(sent: list[Span]) -> None:
    data = spans.encode(sent)
    spans.check(data)
    assert [span.decode(line) for line in data.split(b"\n")[:-1]] == sent


def test_a_span_may_be_as_large_as_the_limits_say() -> None:
    events = many(b'{"name":"e"}', limits.EVENTS_PER_SPAN)
    links = many(b'{"span_id":"c3"}', limits.LINKS_PER_SPAN)
    attributes = named(limits.ATTRIBUTES_PER_RECORD)
    resource = named(limits.RESOURCE_ATTRIBUTES)
    more = b'"events":[%s],"links":[%s],"attributes":{%s},"resource":{%s}'
    spans.check(with_(more % (events, links, attributes, resource)))


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b'{"time":1,"name":"a","trace_id":"a1"}',
        GOOD.replace(b'"a1"', b'""'), GOOD.replace(b'"b2"', b'""'),
        GOOD.replace(b'"a1"', b'"A1"'), GOOD.replace(b'"a1"', b'"g1"'),
        GOOD.replace(b'"a1"', b'"a1\\n"'), GOOD.replace(b'"a1"', b"1"),
        GOOD.replace(b'"a1"', b'"%s"' % (b"a" * 33)), GOOD.replace(b'"b2"', b'"%s"' % (b"b" * 17)),
        GOOD.replace(b":1,", b":-1,"), GOOD.replace(b":1,", b":9223372036854775808,"),
        GOOD.replace(b":1,", b':"1",'), GOOD.replace(b":1,", b":null,"),
        GOOD.replace(b'"a",', b'"%s",' % (b"x" * (limits.LABEL_VALUE_BYTES + 1))),
        with_(b'"duration":-1'), with_(b'"kind":"Server"'), with_(b'"status":"failed"'),
        with_(b'"unknown":1'), with_(b'"attributes":{"a":1}'), with_(b'"attributes":[]'),
        with_(b'"parent_span_id":"xyz"'), with_(b'"events":{}'), with_(b'"events":[1]'),
        with_(b'"events":[{"time":-1}]'), with_(b'"events":[{"attributes":{"a":null}}]'),
        with_(b'"links":[{"trace_id":"zz"}]'),
        with_(b'"events":[{"when":1}]'), with_(b'"links":[{"span":"c3"}]'),
        with_(b'"attributes":{%s}' % named(limits.ATTRIBUTES_PER_RECORD + 1)),
        with_(b'"resource":{%s}' % named(limits.RESOURCE_ATTRIBUTES + 1)),
        with_(b'"events":[{"attributes":{%s}}]' % named(limits.ATTRIBUTES_PER_RECORD + 1)),
        with_(b'"events":[%s]' % many(b"{}", limits.EVENTS_PER_SPAN + 1)),
        with_(b'"links":[%s]' % many(b"{}", limits.LINKS_PER_SPAN + 1)),
        b"[" * 100_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [0, 5_000])
def test_the_first_line_that_is_out_of_bounds_is_named(line: bytes, before: int) -> None:
    with pytest.raises(InputError, match=f"^line {before + 1}: is no span") as error:
        spans.check(GOOD * before + line.rstrip(b"\n") + b"\n" + GOOD + b"bad\n")
    assert error.value.reason == "field"


@pytest.mark.parametrize(
    "line", [b"", b"text", b"\xff", GOOD[:-1] + GOOD[:-1], with_(b'"scope_name":"\xff"')]
)
def test_the_first_line_that_is_no_json_is_named(line: bytes) -> None:
    with pytest.raises(InputError, match=r"^line 2: ") as error:
        spans.check(GOOD + line + b"\n" + GOOD)
    assert error.value.reason == "json"


def test_a_line_that_is_too_long_is_named() -> None:
    long = with_(b'"status_message":"%s"' % (b"x" * limits.SPAN_BYTES))
    with pytest.raises(TooLarge, match=r"^line 3: span is longer") as error:
        spans.check(GOOD * 2 + long + b"\n" + GOOD)
    assert error.value.reason == "line_length"


@given(st.integers(0, len(GOOD)), st.binary(max_size=3))
def test_damage_anywhere_is_taken_or_refused(place: int, damage: bytes) -> None:
    whole = with_(b'"events":[{"time":2,"name":"x"}],"links":[{"span_id":"c3"}]')
    for data in (whole[:place], whole[:place] + damage + whole[place + len(damage) :]):
        try:
            spans.check(data)
        except InputError:
            continue


def test_a_last_line_needs_no_newline() -> None:
    spans.check(GOOD + GOOD[:-1])
