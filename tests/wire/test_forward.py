"""Fluent Forward's messages become records, in every mode and however the stream is cut."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge, Unsupported
from tailrace.core.payload import compress
from tailrace.wire import forward, records
from tailrace.wire.forwardhello import Handshake
from tailrace.wire.msgpack import Objects
from tailrace.wire.rows import Rows

SECOND = 1_790_000_000
PEER = "10.0.0.1"
pack = msgspec.msgpack.encode


def event_time(nanos: int) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(0, SECOND.to_bytes(4, "big") + nanos.to_bytes(4, "big"))


def rows(message: bytes, repaired: dict[str, int] | None = None) -> list[dict[str, Any]]:
    chunk = forward.read(message)
    if chunk is None:
        return []
    found, counts = Rows(), repaired if repaired is not None else {}
    forward.decode(chunk, found, PEER, counts)
    if found.empty:
        return []
    data = found.content().data
    assert not records.check(data).foreign
    return [json.loads(line) for line in data.splitlines()]


ENTRIES: list[Any] = [
    [event_time(5), {"log": "one"}],
    [SECOND, {"message": "two", "level": "warn"}],
]
PACKED = b"".join(map(pack, ENTRIES))
EXPECTED = [
    {"time": SECOND * 10**9 + 5, "body": "one"},
    {"time": SECOND * 10**9, "body": "two", "severity": "warn"},
]
MODES = {
    "forward": pack(["app.x", ENTRIES]),
    "packed": pack(["app.x", PACKED]),
    "packed as text": b"\x92\xa5app.x" + b"\xda" + len(PACKED).to_bytes(2, "big") + PACKED,
    "gzip": pack(["app.x", gzip.compress(PACKED), {"compressed": "gzip", "size": 2}]),
    "gzip members": pack(
        ["app.x", b"".join(gzip.compress(pack(e)) for e in ENTRIES), {"compressed": "gzip"}]
    ),
    "zstd": pack(["app.x", compress(PACKED), {"compressed": "zstd"}]),
    "text": pack(["app.x", PACKED, {"compressed": "text", "size": 99}]),
    "metadata": pack(["app.x", [[[time, {}], record] for time, record in ENTRIES]]),
}


@pytest.mark.parametrize("message", MODES.values(), ids=MODES.keys())
def test_every_mode_gives_the_same_records(message: bytes) -> None:
    for found, expected in zip(rows(message), EXPECTED, strict=True):
        attributes = found.pop("attributes")
        assert attributes == {"fluent.tag": "app.x", "network.peer.address": PEER}
        assert found.pop("resource") == {"host.name": PEER}
        assert found == expected


def test_one_event_with_everything_lands_in_the_columns_of_any_door() -> None:
    record = {
        "message": "paid", "level": "error", "service": "shop", "host": "h1", "trace_id": "AB" * 16,
        "span_id": "CD" * 8, "kubernetes": {"pod": "p1", "labels": {"a": 1}}, "list": [1, "x"],
        "raw": b"\xff!", "none": None, "time": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    (found,) = rows(pack(["t", event_time(7), record, {"chunk": "id"}]))
    assert found == {
        "time": SECOND * 10**9 + 7, "body": "paid", "severity": "error", "service": "shop",
        "trace_id": "ab" * 16, "span_id": "cd" * 8,
        "resource": {"service.name": "shop", "host.name": "h1"},
        "attributes": {
            "kubernetes.pod": "p1", "kubernetes.labels.a": 1, "list": '[1,"x"]', "raw": "\ufffd!",
            "none": "", "time": "2020-01-01T00:00:00Z", "fluent.tag": "t",
            "network.peer.address": PEER,
        },
    }  # fmt: skip


def test_fluent_bits_metadata_is_kept_and_its_marks_of_groups_are_no_records() -> None:
    marks = [[[msgspec.msgpack.Ext(0, b"\xff\xff\xff" + end + bytes(4)), {}], {"scope": {}}]
             for end in (b"\xff", b"\xfe")]  # fmt: skip
    entry = [[event_time(5), {"otlp": {"severity_number": 9}}], {"log": "one"}]
    repaired: dict[str, int] = {}
    (found,) = rows(pack(["t", b"".join(map(pack, [marks[0], entry, marks[1]]))]), repaired)
    assert found["attributes"]["otlp.severity_number"] == 9
    assert found["time"] == SECOND * 10**9 + 5
    assert repaired == {"group": 2}
    (again,) = rows(pack(["t", *entry, {"chunk": "id"}]))
    assert again == found


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (SECOND, SECOND * 10**9),
        (SECOND + 0.25, SECOND * 10**9 + 250_000_000),
        (event_time(123_456_789), SECOND * 10**9 + 123_456_789),
        (datetime.fromtimestamp(SECOND, UTC), SECOND * 10**9),
        (0, None), (-1, None), (2**62, None), (float("nan"), None), (None, None), (True, None),
    ],
)  # fmt: skip
def test_times_of_every_kind(moment: Any, expected: int | None) -> None:
    (found,) = rows(pack(["t", moment, {"log": "x"}]))
    assert found.get("time") == expected


def test_the_id_to_acknowledge_is_read_and_so_is_a_message_that_says_nothing() -> None:
    chunk = forward.read(pack(["t", PACKED, {"chunk": "aWQ="}]))
    assert chunk is not None
    assert (chunk.tag, chunk.chunk) == ("t", "aWQ=")
    assert forward.read(b"\xc0") is None


@pytest.mark.parametrize("tag", ["../../etc", "a\nb", "a\0b", "", "x" * 5000, "\U0001f600"])
def test_a_tag_is_only_data(tag: str) -> None:
    (found,) = rows(pack([tag, SECOND, {"log": "x"}]))
    assert found["attributes"]["fluent.tag"] == tag


def test_text_that_is_no_utf8_is_repaired_and_counted() -> None:
    long = b"\xda" + (300).to_bytes(2, "big") + b"y" * 299 + b"\xfe"
    record = b"\x83\xa3log\xa2a\xff\xa2\xffk\xa1v\xa4long" + long
    for message in (
        b"\x93\xa1t" + pack(SECOND) + record,
        b"\x92\xa1t\x91\x92" + pack(SECOND) + record,
        pack(["t", b"\x92" + pack(SECOND) + record]),
    ):
        repaired: dict[str, int] = {}
        (found,) = rows(message, repaired)
        assert found["body"] == "a\ufffd"
        assert found["attributes"]["\ufffdk"] == "v"
        assert found["attributes"]["long"] == "y" * 299 + "\ufffd"
        assert repaired == {"utf8": 3}


def test_what_is_no_record_is_left_out_and_counted() -> None:
    repaired: dict[str, int] = {}
    odd = [[SECOND], "x", [SECOND, 5], [SECOND, {"log": "y" * 2 * forward.ENTRY_BYTES}], None]
    found = rows(pack(["t", [*odd, [SECOND, {"log": "fine"}]]]), repaired)
    assert [record["body"] for record in found] == ["fine"]
    assert repaired == {"malformed": 4, "oversize": 1}


def test_too_many_attributes_and_too_long_bodies_do_not_stop_the_others() -> None:
    repaired: dict[str, int] = {}
    many = {f"k{n}": "v" for n in range(2 * limits.ATTRIBUTES_PER_RECORD)}
    odd = [[SECOND, many], [SECOND, {"log": "\x01" * limits.LINE_BYTES}], [SECOND, {"log": "fine"}]]
    found = rows(pack(["t", odd]), repaired)
    assert found[-1]["body"] == "fine"
    assert len(found[0]["attributes"]) <= limits.ATTRIBUTES_PER_RECORD
    assert repaired["oversize"] == 1
    assert repaired["attributes"] > 0


def test_metrics_and_traces_of_fluent_bit_are_refused_by_name() -> None:
    for signal in (1, 2):
        with pytest.raises(Unsupported, match="OTLP"):
            forward.read(pack(["t", b"\x91\x01", {"fluent_signal": signal}]))
    assert rows(pack(["t", PACKED, {"fluent_signal": 0}]))


_scalar = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary()
)  # fmt: skip
_value = st.recursive(
    _scalar, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@settings(deadline=None, max_examples=examples(25))
@given(st.lists(_value, max_size=6), st.lists(st.integers(1, 9), min_size=1), st.data())
def test_a_stream_gives_its_objects_however_it_is_cut(
    values: list[Any], steps: list[int], data: st.DataObject
) -> None:
    packed = [pack(value) for value in values]
    sent, found = b"".join(packed), list[bytes]()
    stream = Objects(limits.MIB)
    while sent:
        step = data.draw(st.sampled_from(steps))
        found += stream.feed(sent[:step])
        sent = sent[step:]
    assert found == packed
    assert stream.held_bytes == 0


@settings(deadline=None, max_examples=examples(25))
@given(st.dictionaries(st.text(), _value, max_size=6))
def test_any_record_is_kept(record: dict[str, Any]) -> None:
    repaired: dict[str, int] = {}
    assert len(rows(pack(["t", SECOND, record]), repaired)) == 1
    assert not repaired


def _hostile(data: bytes) -> None:
    """Data of a stream: every failure is an InputError."""
    try:
        for message in Objects(limits.MIB).feed(data):
            rows(message)
    except InputError as error:
        assert error.reason


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_fail_in_another_way(data: bytes) -> None:
    _hostile(data)
    _hostile(b"\x93\xa1t\x01" + data)
    _hostile(pack(["t", data]))


@pytest.mark.parametrize("name", MODES)
def test_a_message_that_is_malformed_at_any_byte_fails_in_no_other_way(name: str) -> None:
    message = MODES[name]
    for place in range(len(message)):
        for byte in (0x00, 0x80, 0x91, 0xC1, 0xC7, 0xDB, 0xDD, 0xFF, message[place] ^ 1):
            _hostile(message[:place] + bytes([byte]) + message[place + 1 :])
        _hostile(message[:place])


@pytest.mark.parametrize(
    "head",
    [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
     b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\0"],
)  # fmt: skip
def test_a_claim_of_four_gigabytes_takes_no_memory(head: bytes) -> None:
    tracemalloc.start()
    for start in (b"", b"\x92\xa1t", b"\x93\xa1t\x01"):
        with pytest.raises(TooLarge):
            Objects(limits.MIB).feed(start + head + b"x" * 100)
    with pytest.raises(InputError):
        rows(pack(["t", b"\x92\x01" + head]))
    assert tracemalloc.get_traced_memory()[1] < limits.MIB
    tracemalloc.stop()


def test_what_is_nested_a_hundred_thousand_deep_is_refused_at_once() -> None:
    before = time.process_time()
    for deep in (b"\x91" * 100_000 + b"\xc0", b"\x81\xa1a" * 100_000 + b"\xc0"):
        with pytest.raises(InputError):
            rows(b"\x93\xa1t\x01\x81\xa1a" + deep)
        (stream,) = Objects(limits.MIB).feed(deep)
        assert stream == deep
    for depth in range(50, 2000, 150):
        _hostile(b"\x93\xa1t\x01\x81\xa1a" + b"\x81\xa1a" * depth + b"\xc0")
    assert time.process_time() - before < 3.0


def test_a_message_that_never_ends_is_refused_at_its_bound() -> None:
    stream = Objects(64 * limits.KIB)
    with pytest.raises(TooLarge):
        for _ in range(100):
            stream.feed(b"\xdc\xff\xff" + b"\xc0" * 1000)
            assert stream.held_bytes <= 65 * limits.KIB


def test_a_compressed_bomb_is_refused_within_memory() -> None:
    zeros = gzip.compress(bytes(256 * limits.MIB), 1)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        rows(pack(["t", zeros, {"compressed": "gzip"}]))
    assert tracemalloc.get_traced_memory()[1] < 4 * limits.BODY_BYTES
    tracemalloc.stop()


def test_millions_of_empty_entries_are_never_objects_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DECODED_BYTES", limits.MIB)
    message = pack(["t", b"\x92\x01\x80" * (limits.MIB // 2)])
    tracemalloc.start()
    with pytest.raises(TooLarge):
        rows(message)
    # As objects all of them take 75 MB.
    assert tracemalloc.get_traced_memory()[1] < 32 * limits.MIB
    tracemalloc.stop()


def _digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def _ping(hello: bytes, key: bytes, user: bytes = b"", password: bytes = b"") -> list[Any]:
    name, options = msgspec.msgpack.decode(hello)
    assert name == "HELO"
    proof = _digest(b"salt", b"client", options["nonce"], key)
    auth = options["auth"]
    own = _digest(auth, user, password) if auth else ""
    return ["PING", "client", b"salt", proof, user.decode(), own]


@pytest.mark.parametrize(
    ("users", "key", "user", "password", "reason"),
    [
        ({}, b"secret", b"", b"", ""),
        ({}, b"wrong", b"", b"", "shared_key mismatch"),
        ({"a": "b"}, b"secret", b"a", b"b", ""),
        ({"a": "b"}, b"secret", b"a", b"c", "username/password mismatch"),
        ({"a": "b"}, b"secret", b"x", b"", "username/password mismatch"),
        ({"a": "b"}, b"secret", b"", b"", "username/password mismatch"),
        ({"a": "b"}, b"wrong", b"a", b"b", "shared_key mismatch"),
    ],
)
def test_only_who_knows_the_keys_is_welcome(
    users: dict[str, str], key: bytes, user: bytes, password: bytes, reason: str
) -> None:
    handshake = Handshake("secret", users, "server")
    hello = handshake.hello()
    answer, found = handshake.answer(pack(_ping(hello, key, user, password)))
    pong = msgspec.msgpack.decode(answer)
    assert found == reason
    assert pong[:4] == ["PONG", not reason, reason, "server"]
    nonce = msgspec.msgpack.decode(hello)[1]["nonce"]
    assert pong[4] == ("" if reason else _digest(b"salt", b"server", nonce, b"secret"))


@given(
    st.binary() | _value.map(pack) | st.lists(_scalar, max_size=7).map(lambda v: pack(["PING", *v]))
)
def test_no_ping_fails_in_another_way(ping: bytes) -> None:
    try:
        assert Handshake("secret", {"a": "b"}, "server").answer(ping)[1]
    except InputError as error:
        assert error.reason in ("handshake", "msgpack")
