"""Remote write 2.0: labels are references of symbols, and metadata come with each series."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import remotewrite2

from .remote import STALE, TIME_MS, V2, read, row, rows, series2, symbol

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LABELS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=5).map(
    lambda labels: {"__name__": "up", **labels}
)
VALUES = st.lists(
    st.tuples(st.one_of(st.floats(), st.just(STALE)), st.integers(1, 2**42 - 1)), max_size=3
)
SERIES = st.lists(st.tuples(LABELS, VALUES), max_size=6)
NAME = {"__name__": "up"}
COUNTER, GAUGE, HISTOGRAM = 1, 2, 3


def encoded(sent: Any) -> bytes:
    found = V2["Request"]()
    for labels, values in sent:
        series2(found, labels, values)
    data: bytes = found.SerializeToString()
    return data


@given(SERIES)
def test_what_is_sent_is_stored(sent: Any) -> None:
    written = remotewrite2.decode(encoded(sent))
    expected = sorted(row(labels, *value) for labels, values in sent for value in values)
    assert rows(read(written)) == expected
    assert not written.refused


@settings(max_examples=examples(40))
@given(
    SERIES.map(encoded),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_malformed_bytes_are_refused_or_read_as_a_library_reads_them(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(data)
    for place, byte in changes:
        if changed:
            changed[place % len(changed)] = byte
    try:
        request: Any = V2["Request"].FromString(bytes(changed))
    except DecodeError:
        request = None
    try:
        written = remotewrite2.decode(bytes(changed))
    except InputError as error:
        assert error.reason == "protobuf"
        assert request is None
        return
    sent = sum(len(one.samples) for one in request.timeseries) if request else 0
    assert request or written.refused
    assert len(read(written)) == sent or written.refused


def test_metadata_say_what_a_series_is_and_its_unit() -> None:
    request = V2["Request"]()
    for name, kind in (("a", COUNTER), ("b_total", GAUGE), ("c_bucket", HISTOGRAM), ("d", 0)):
        one = series2(request, {"__name__": name}, [(1.0, TIME_MS)])
        one.metadata.type = kind
        one.metadata.unit_ref = symbol(request, "bytes" if name == "a" else "")
        one.metadata.help_ref = symbol(request, "What this is.")
        one.created_timestamp = TIME_MS - 1
    found = read(remotewrite2.decode(request.SerializeToString()))
    assert [one.kind for one in found] == ["counter", "gauge", "counter", "gauge"]
    assert [one.unit for one in found] == ["bytes", "", "", ""]


def test_an_exemplar_is_kept_with_the_sample_of_its_series() -> None:
    request = V2["Request"]()
    one = series2(request, NAME, [(1.0, TIME_MS)])
    exemplar = one.exemplars.add(value=0.5, timestamp=TIME_MS)
    for text in ("trace_id", "cd" * 16, "span_id", "EF" * 8):
        exemplar.labels_refs.append(symbol(request, text))
    written = remotewrite2.decode(request.SerializeToString())
    (found,) = read(written)[0].exemplars
    assert (found.trace_id, found.span_id) == ("cd" * 16, "ef" * 8)
    assert written.exemplars == 1


def test_good_series_are_taken_and_the_others_counted_by_reason() -> None:
    request = V2["Request"]()
    series2(request, NAME, [(1.0, TIME_MS)])
    series2(request, NAME, [(1.0, TIME_MS)]).labels_refs.append(1)
    series2(request, NAME, [(1.0, TIME_MS)]).labels_refs.extend([1, 10_000])
    series2(request, NAME, [(1.0, TIME_MS)]).labels_refs.extend([1, 2])
    series2(request, {"job": "no name"}, [(1.0, TIME_MS)])
    series2(request, NAME, [(1.0, TIME_MS)]).labels_refs.extend(range(200))
    request.symbols.append(b"\xff")
    series2(request, NAME, [(1.0, TIME_MS)]).labels_refs.extend([3, len(request.symbols) - 1])
    series2(request, NAME, [(1.0, -5)]).histograms.add(timestamp=TIME_MS, schema=30)
    written = remotewrite2.decode(request.SerializeToString())
    assert len(read(written)) == 1
    assert written.refused == {
        "label_refs": 2, "label_twice": 1, "name": 1, "labels": 1, "utf8": 1, "time": 1,
        "histogram": 1,
    }  # fmt: skip


def test_references_that_are_not_packed_are_read_too() -> None:
    request = V2["Request"]()
    series2(request, NAME, [(1.0, TIME_MS)])
    data = request.SerializeToString()
    packed, loose = b"\x0a\x02\x01\x02", b"\x08\x01\x08\x02"
    assert packed in data
    assert read(remotewrite2.decode(data.replace(packed, loose)))[0].name == "up"


def test_a_request_of_1_0_has_nothing_that_2_0_would_take() -> None:
    assert remotewrite2.decode(b"\x0a\x04\x0a\x02\x0a\x00" * 3).contents == []


@pytest.mark.parametrize(
    ("part", "reason"), [(b"\x22\x02ab", "symbols"), (b"\x2a\x00", "density")], ids=["text", "row"]
)
def test_millions_of_empty_parts_are_refused_soon(part: bytes, reason: str) -> None:
    data = part * (limits.MIB // len(part))
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        remotewrite2.decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == reason
    assert peak < limits.BODY_BYTES


def test_a_million_references_are_refused_within_memory() -> None:
    refs = b"\x01" * (8 * limits.MIB)
    size = b"\x80\x80\x80\x04"
    one = b"\x0a" + size + refs
    data = b"\x22\x00\x22\x01a\x2a\x85\x80\x80\x04" + one
    tracemalloc.start()
    written = remotewrite2.decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written.refused == {"labels": 1}
    assert peak < limits.MIB
