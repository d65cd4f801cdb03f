"""Loki push: the direct reading of entries, a protobuf library, and JSON all say the same."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import loki, records
from tailrace.wire.content import Content

NOW = 1_790_000_000_000_000_001
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.one_of(
    st.integers(-(2**62), 2**62), st.integers(NOW, NOW + 10**10), st.just(NOW // 10**9 * 10**9)
)
NAMES = st.one_of(TEXT, st.sampled_from(["level", "trace_id", "span_id", "user"]))
ENTRIES = st.tuples(
    TIMES, st.one_of(TEXT, st.just("x" * 200)), st.dictionaries(NAMES, TEXT, max_size=3)
)
LABELS = st.dictionaries(
    st.sampled_from(["app", "job", "level", "severity", "host"]),
    TEXT.filter(lambda text: not set('"\\\0') & set(text)),
)
STREAMS = st.lists(st.tuples(LABELS, st.lists(ENTRIES, max_size=4)), min_size=1, max_size=4)


def push(streams: Any) -> Any:
    found = loki._messages["Push"]()
    for labels, entries in streams:
        pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        stream = found.streams.add(labels=f"{{{pairs}}}".encode())
        for time_ns, line, metadata in entries:
            entry = stream.entries.add(line=line.encode())
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(time_ns, 10**9)
            for name, value in metadata.items():
                entry.metadata.add(name=name.encode(), value=value.encode())
    return found


def rows(content: Content) -> list[dict[str, Any]]:
    assert not records.check(content.data).foreign
    found = [json.loads(line) for line in content.data.splitlines()]
    assert content.rows == len(found)
    return found


def answer(decode: Any, data: bytes) -> Any:
    try:
        content = decode(data)
    except InputError as error:
        return error.reason
    return rows(content), content.repaired


@given(STREAMS)
def test_every_way_in_gives_the_same_records(streams: Any) -> None:
    data = push(streams).SerializeToString()
    expected = answer(loki._decode_any, data)
    assert answer(loki.decode_protobuf, data) == expected
    as_json = {
        "streams": [
            {
                "stream": labels,
                "values": [[str(t), line, extra] for t, line, extra in entries if t >= 0],
            }
            for labels, entries in streams
        ]
    }
    if all(time_ns >= 0 for _, entries in streams for time_ns, _, _ in entries):
        found = answer(loki.decode_json, json.dumps(as_json).encode())
        assert found == expected or "nul" in expected[1]


@settings(max_examples=examples(40))
@given(
    STREAMS.map(lambda streams: push(streams).SerializeToString()),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    st.integers(0, 10_000),
)
def test_malformed_bytes_are_read_as_a_library_reads_them(
    data: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    broken = bytes(changed[: len(changed) - end % 4])
    found, expected = answer(loki.decode_protobuf, broken), answer(loki._decode_any, broken)
    # Where both refuse it, one may have met another reason first.
    assert found == expected or isinstance(found, str) is isinstance(expected, str) is True


def test_the_usual_form_is_read_directly_and_others_are_not() -> None:
    usual = push([({"app": "a"}, [(NOW, "x" * 20_000, {"k": "v"}), (NOW, "y", {})])])
    assert rows(loki._Usual(usual.SerializeToString()).read())
    for streams in (
        [({"app": "a"}, [(1, "seconds of one byte", {})])],
        [({"app": "a"}, [(NOW, "", {})])],
        [({"app": "a"}, [(NOW, "x", {"k": "v" * 200})])],
    ):
        data = push(streams).SerializeToString()
        with pytest.raises((loki._Unusual, IndexError)):
            loki._Usual(data).read()
        assert rows(loki.decode_protobuf(data))


@pytest.mark.parametrize("nanos", [0, 1, 127, 128, 2**14, 2**21, 2**28, 10**9, 2**31 - 1, -1])
@pytest.mark.parametrize("seconds", [0, 1, 2**28, 2**31, 2**33, 2**34, 2**35 - 1, 2**35, -1])
def test_every_time_is_read_as_a_library_reads_it(seconds: int, nanos: int) -> None:
    request = push([({"app": "a"}, [(NOW, "x", {})])])
    stamp = request.streams[0].entries[0].timestamp
    stamp.seconds, stamp.nanos = seconds, nanos
    data = request.SerializeToString()
    assert answer(loki.decode_protobuf, data) == answer(loki._decode_any, data)


@pytest.mark.parametrize("last", [0x07, 0x08, 0x0F, 0x10, 0x7F])
def test_nanoseconds_beyond_31_bits_are_read_as_a_library_reads_them(last: int) -> None:
    usual = push([({"app": "a"}, [(NOW // 10**9 * 10**9 + 2**28, "x", {})])]).SerializeToString()
    assert usual.count(b"\x80\x80\x80\x80\x01\x12") == 1
    odd = bytes([last]) + b"\x12"
    data = usual.replace(b"\x80\x80\x80\x80\x01\x12", b"\x80\x80\x80\x80" + odd)
    assert answer(loki.decode_protobuf, data) == answer(loki._decode_any, data)


def test_fields_that_a_push_has_beside_entries_are_passed_over() -> None:
    stream = push([({"app": "a"}, [(NOW, "x", {})])]).streams[0].SerializeToString()
    data = stream + b"\x18\x96\x01"  # the hash that Promtail may send
    found = loki.decode_protobuf(b"\x0a" + bytes([len(data)]) + data)
    assert rows(found)[0]["body"] == "x"


def test_what_metadata_say_wins_over_what_the_stream_says() -> None:
    metadata = {"level": "error", "trace_id": "ab", "span_id": "cd", "user": "u"}
    data = push([({"app": "shop", "level": "info"}, [(NOW, "a", metadata), (NOW, "b", {})])])
    first, second = rows(loki.decode_protobuf(data.SerializeToString()))
    assert first == {
        "severity": "error", "service": "shop", "trace_id": "ab", "span_id": "cd", "time": NOW,
        "body": "a", "attributes": metadata, "resource": {"app": "shop", "level": "info"},
    }  # fmt: skip
    assert second == {
        "severity": "info", "service": "shop", "time": NOW, "body": "b",
        "resource": {"app": "shop", "level": "info"},
    }  # fmt: skip


def test_lines_are_cut_and_repaired_and_counted() -> None:
    request = push([({"app": "a"}, [(NOW, "long " * limits.LINE_BYTES, {}), (NOW, "", {})])])
    request.streams[0].entries[1].line = b"a\0b\xff and \\u0000"
    content = loki.decode_protobuf(request.SerializeToString())
    first, second = rows(content)
    assert "[cut" in first["body"] and len(first["body"].encode()) <= limits.LINE_BYTES
    assert second["body"] == "a\ufffdb\ufffd and \\u0000"
    assert content.repaired == {"line_length": 1, "nul": 1, "utf8": 1}


@pytest.mark.parametrize(
    ("streams", "reason"),
    [
        ([({"app": "a"}, [(NOW, "x", {f"k{n}": "v" for n in range(513)})])], "attributes"),
        ([({"app": "a"}, [(NOW, "x", {"k": "v" * 800_000})])], "line_length"),
        ([({"app": "a" * 5_000}, [(NOW, "x", {})])], "resource"),
        ([({f"l{n}": "v" for n in range(65)}, [(NOW, "x", {})])], "resource"),
        ([({"app": "a"}, [])], "empty"),
    ],
)
def test_what_passes_a_limit_is_refused_with_its_reason(streams: Any, reason: str) -> None:
    data = push(streams).SerializeToString()
    assert answer(loki.decode_protobuf, data) == reason


def test_labels_that_repeat_for_each_row_are_refused_within_memory() -> None:
    labels = {f"l{n}": "v" * 1_000 for n in range(60)}
    data = push([(labels, [(NOW, "x", {})] * 20_000)]).SerializeToString()
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        loki.decode_protobuf(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "expanded"
    assert peak < 2 * limits.DECODED_BYTES


def test_metadata_that_are_no_strings_become_their_json() -> None:
    body = {"streams": [{"stream": {"app": "a"}, "values": [[str(NOW), "x", {"n": 5, "o": {}}]]}]}
    (found,) = rows(loki.decode_json(json.dumps(body).encode()))
    assert found["attributes"] == {"n": "5", "o": "{}"}
