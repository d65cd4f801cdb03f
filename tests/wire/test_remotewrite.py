"""Remote write 1.0: what is sent is what is stored, however often and in whatever form it comes."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import remotewrite
from tailrace.wire.fields import fields
from tailrace.wire.knownseries import KnownSeries
from tailrace.wire.remoteparts import Written

from .remote import STALE, TIME_MS, V1, read, request, row, rows, series

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LABELS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=5).map(
    lambda labels: {"__name__": "up", **labels}
)
VALUES = st.lists(
    st.tuples(
        st.one_of(st.floats(), st.just(0.0), st.just(STALE), st.integers(0, 9).map(float)),
        st.one_of(st.integers(1, 2**42 - 1), st.just(TIME_MS)),
    ),
    max_size=4,
)
SERIES = st.lists(st.tuples(LABELS, VALUES), max_size=6)
NAME = {"__name__": "up"}


def decode(data: bytes) -> Written:
    return remotewrite.decode(data, KnownSeries())


def encoded(sent: Any) -> bytes:
    found = V1["WriteRequest"]()
    for labels, values in sent:
        series(found, labels, values)
    data: bytes = found.SerializeToString()
    return data


@given(SERIES)
def test_what_is_sent_is_stored_the_first_time_and_again(sent: Any) -> None:
    expected = sorted(row(labels, *value) for labels, values in sent for value in values)
    known = KnownSeries()
    for _ in range(3):
        written = remotewrite.decode(encoded(sent), known)
        assert rows(read(written)) == expected
        assert not written.refused


@given(st.lists(SERIES, min_size=2, max_size=5))
def test_a_series_that_is_known_reads_like_one_that_is_not(sent: list[Any]) -> None:
    known = KnownSeries(limit_bytes=2_000)
    for one in [*sent, *sent]:
        data = encoded(one)
        assert rows(read(remotewrite.decode(data, known))) == rows(read(decode(data)))


@given(
    st.lists(st.tuples(st.integers(0, 199), st.integers(1, 120)), min_size=2, max_size=8),
    st.dictionaries(st.integers(0, 199), st.sampled_from([0.0, 1.5, STALE]), max_size=6),
)
def test_runs_of_known_series_may_start_anywhere_and_change(
    cuts: list[tuple[int, int]], values: dict[int, float]
) -> None:
    known = KnownSeries()
    labels = [{**NAME, "n": str(n)} for n in range(200)]
    for turn, (first, count) in enumerate([(0, 200), (0, 200), *cuts]):
        some = range(first, min(first + count, 200))
        numbers = {n: values.get(n, 1.0) if turn % 2 else float(n % 3) for n in some}
        sent = [(labels[n], [(numbers[n], TIME_MS + turn)]) for n in some]
        assert rows(read(remotewrite.decode(encoded(sent), known))) == sorted(
            row(labels[n], numbers[n], TIME_MS + turn) for n in some
        )


def reference(data: bytes) -> tuple[list[str], int]:
    """Samples and refused parts by a protobuf library. Raises DecodeError."""
    found: list[str] = []
    refused = 0
    for one in V1["WriteRequest"].FromString(data).timeseries:
        pairs = [(label.name, label.value) for label in one.labels]
        try:
            labels = {name.decode(): value.decode() for name, value in pairs}
        except UnicodeDecodeError:
            labels = {}
        text = "".join(labels) + "".join(labels.values())
        good = len(labels) == len(pairs) and labels.get("__name__") and "\0" not in text
        if not good or any(value and not name for name, value in labels.items()):
            refused += 1
            continue
        for value in one.samples:
            if 0 < value.timestamp < 2**42:
                found.append(row(labels, value.value, value.timestamp))
            else:
                refused += 1
        refused += len(one.histograms)  # none of those that come of such changes has a time
    return sorted(found), refused


WARM = encoded([({**NAME, "a": "b"}, [(1.5, TIME_MS)]), ({**NAME, "a": "c"}, [(0.0, TIME_MS)])])


@settings(max_examples=examples(50))
@given(
    st.one_of(SERIES.map(encoded), st.just(WARM)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
    st.booleans(),
)
def test_malformed_bytes_are_refused_or_read_as_a_library_reads_them(
    data: bytes, changes: list[tuple[int, int]], cut: bool
) -> None:
    changed = bytearray(data)
    for place, byte in changes:
        if changed:
            changed[place % len(changed)] = byte
    broken = bytes(changed[: changes[0][0] % (len(changed) + 1)] if cut else changed)
    known = KnownSeries()
    remotewrite.decode(WARM, known)
    for reader in (known, KnownSeries()):
        try:
            written = remotewrite.decode(broken, reader)
        except InputError as error:
            assert error.reason == "protobuf"
            with pytest.raises(DecodeError):
                reference(broken)
            continue
        try:
            expected, refused = reference(broken)
        except DecodeError:
            assert written.refused  # a refused series is not read to its end
            continue
        assert rows(read(written)) == expected
        assert sum(written.refused.values()) == refused


def test_every_beginning_of_a_request_is_refused_or_whole() -> None:
    whole = encoded([({**NAME, "n": str(n)}, [(float(n + 1), TIME_MS)]) for n in range(40)])
    known = KnownSeries()
    remotewrite.decode(whole, known)
    ends = [0]
    for _, _, end in fields(whole, 0, len(whole)):
        ends.append(end)
    for end in range(len(whole) + 1):
        if end in ends:
            assert len(read(remotewrite.decode(whole[:end], known))) == ends.index(end)
        else:
            with pytest.raises(InputError):
                remotewrite.decode(whole[:end], known)


def test_values_that_json_cannot_say_and_stale_markers_survive() -> None:
    values = [
        STALE,
        float("nan"),
        float("inf"),
        float("-inf"),
        -0.0,
        5e-324,
        1.7976931348623157e308,
    ]
    found = read(decode(request(NAME, [(value, TIME_MS) for value in values])))
    assert [one.value for one in found] == ["NaN", "NaN", "+Inf", "-Inf", -0.0, *values[-2:]]
    assert [one.stale for one in found] == [True] + [False] * 6


def test_a_counter_is_known_by_its_name() -> None:
    for name, kind in [("a_total", "counter"), ("a_bucket", "counter"), ("a_bytes", "gauge")]:
        assert read(decode(request({"__name__": name}, [(1.0, TIME_MS)])))[0].kind == kind


def test_good_series_are_taken_and_the_others_counted_by_reason() -> None:
    sent = V1["WriteRequest"]()
    series(sent, {**NAME, "good": "1"}, [(1.0, TIME_MS)])
    series(sent, {"job": "no name"}, [(1.0, TIME_MS)])
    series(sent, {"__name__": "x" * 256}, [(1.0, TIME_MS)])
    series(sent, NAME, [(1.0, TIME_MS)]).labels.add(name=b"__name__", value=b"again")
    series(sent, NAME, [(1.0, TIME_MS)]).labels.add(name=b"bad", value=b"\xff")
    series(sent, {**NAME, "": "nameless"}, [(1.0, TIME_MS)])
    series(sent, {**NAME, "nul": "a\0b"}, [(1.0, TIME_MS)])
    series(sent, {**NAME, "long": "x" * (limits.LABEL_VALUE_BYTES + 1)}, [(1.0, TIME_MS)])
    series(sent, {**NAME, **{f"l{n}": "x" for n in range(65)}}, [(1.0, TIME_MS)])
    series(sent, NAME, [(1.0, 0), (2.0, TIME_MS)])
    series(sent, {**NAME, "native": "1"}).histograms.add(timestamp=TIME_MS, schema=30)
    series(sent, {**NAME, "good": "2"}, [(0.0, TIME_MS)])
    written = decode(sent.SerializeToString())
    assert [one.attributes.get("good") for one in read(written)] == ["1", None, "2"]
    assert written.refused == {
        "name": 2, "label_twice": 1, "utf8": 1, "label_name": 1, "label_nul": 1, "label_value": 1,
        "labels": 1, "time": 1, "histogram": 1,
    }  # fmt: skip
    assert "1 refused: a label is there twice" in written.explain()


def test_64_labels_beside_the_name_are_taken() -> None:
    labels = {**NAME, **{f"l{n}": "x" for n in range(limits.LABELS_PER_SERIES)}}
    assert len(read(decode(request(labels, [(1.0, TIME_MS)])))[0].attributes) == 64


def test_an_exemplar_belongs_to_the_sample_of_its_series_in_the_same_request() -> None:
    sent = V1["WriteRequest"]()
    series(sent, {**NAME, "le": "1"}, [(1.0, TIME_MS)])
    series(sent, {**NAME, "le": "5"}, [(2.0, TIME_MS)])
    # Prometheus sends exemplars as series of their own, behind the samples.
    one = series(sent, {**NAME, "le": "5"}).exemplars.add(value=4.5, timestamp=TIME_MS - 7)
    one.labels.add(name=b"trace_id", value=b"AB" * 16)
    one.labels.add(name=b"user", value=b"u1")
    series(sent, {**NAME, "le": "9"}).exemplars.add(value=8.0, timestamp=TIME_MS)
    written = decode(sent.SerializeToString())
    first, second = read(written)
    assert not first.exemplars
    (found,) = second.exemplars
    assert (found.value, found.time) == (4.5, (TIME_MS - 7) * 10**6)
    assert (found.trace_id, found.attributes) == ("ab" * 16, {"user": "u1"})
    assert (written.exemplars, written.refused) == (1, {})
    assert written.contents[-1].repaired == {"exemplar": 1}


def test_metadata_alone_is_a_success_without_samples() -> None:
    sent = V1["WriteRequest"](metadata=[b"\x08\x01\x12\x02up"])
    written = decode(sent.SerializeToString())
    assert (written.contents, written.samples, written.refused) == ([], 0, {})
    assert decode(b"").contents == []


def test_samples_of_many_series_fill_several_frames_in_order() -> None:
    count = 20_000
    labels = [{**NAME, "n": str(n), "pad": "x" * 200} for n in range(count)]
    written = decode(encoded([(one, [(1.0, TIME_MS)]) for one in labels]))
    assert [one.attributes["n"] for one in read(written)] == [str(n) for n in range(count)]
    assert len(written.contents) > 1
    assert all(len(one.data) <= limits.FRAME_BYTES for one in written.contents)


def test_a_body_whose_labels_repeat_too_often_is_refused_within_memory() -> None:
    data = request({**NAME, "long": "x" * 4000}, [(1.0, TIME_MS)] * 200_000)
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "expanded"
    assert peak < 2 * limits.DECODED_BYTES


@pytest.mark.parametrize(
    "part",
    [
        b"\x0a\x00", b"\x1a\x00", b"\x28\x01", b"\x0a\x02\x12\x00", b"\x0a\x02\x22\x00",
        b"\x0a\x04\x0a\x02\x0a\x00", b"\x0a\x0f\x0a\x0d\x0a\x08__name__\x12\x01a",
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_millions_of_empty_parts_are_refused_soon(part: bytes) -> None:
    data = part * (limits.MIB // len(part))
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "density"
    assert peak < limits.BODY_BYTES


def test_100_000_labels_are_refused_as_one_series() -> None:
    data = request({**NAME, **{f"l{n}": "x" for n in range(100_000)}}, [(1.0, TIME_MS)])
    assert decode(data + request(NAME, [(1.0, TIME_MS)])).refused == {"labels": 1}


def test_ever_new_series_do_not_grow_what_is_remembered_beyond_its_limit() -> None:
    known = KnownSeries(limits.MIB // 4)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for part in range(20):
        sent = [({**NAME, "n": f"{part}-{n}"}, [(1.0, TIME_MS)]) for n in range(500)]
        remotewrite.decode(encoded(sent), known)
    del sent
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(known)
    assert after - before < limits.MIB


def test_series_that_do_not_fit_leave_the_known_ones_and_later_take_their_place() -> None:
    known = KnownSeries(15_000)
    old, new = ([({**NAME, "n": f"{k}{n}"}, [(1.0, TIME_MS)]) for n in range(50)] for k in "on")
    remotewrite.decode(encoded(old), known)
    held = len(known)
    assert 0 < held < 50
    remotewrite.decode(encoded(new[:5]), known)
    assert len(known) == held
    for _ in range(3):
        remotewrite.decode(encoded(new), known)
    assert any(known.find(encoded([one])[:-15]) for one in new)


def test_a_time_of_six_bytes_that_is_no_varint_of_six_bytes_is_read_as_it_is() -> None:
    usual = request(NAME, [(1.0, TIME_MS)])
    # The same length as the usual form: the time twice, the last one counts.
    twice = usual[:-7] + b"\x10\x01" + b"\x10\x02" + b"\x10\xac\x02"
    known = KnownSeries()
    remotewrite.decode(usual, known)
    (found,) = read(remotewrite.decode(twice, known))
    assert found.time == 300 * 10**6


def test_a_stale_marker_is_told_from_its_bits() -> None:
    data = request(NAME, [(1.0, TIME_MS)])
    place = data.index(struct.pack("<d", 1.0))
    for bits, stale in ((0x7FF0000000000002, True), (0x7FF8000000000001, False)):
        changed = data[:place] + struct.pack("<Q", bits) + data[place + 8 :]
        assert read(decode(changed))[0].stale is stale
