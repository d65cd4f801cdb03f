"""Hostile and broken input: a clear error, a counted reason, bounded memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge, Unsupported
from tailrace.core.payload import compress
from tailrace.core.payload import expand as expand_payload
from tailrace.wire import encoding, lines, loki, records, snappy
from tailrace.wire.otlp import logs


def zstd_bomb() -> bytes:
    maker = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return b"".join(maker.compress(bytes(limits.MIB)) for _ in range(256)) + maker.flush()


def gzip_bomb() -> bytes:
    maker = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(maker.compress(bytes(limits.MIB)) for _ in range(256)) + maker.flush()


@pytest.mark.parametrize(("name", "bomb"), [("zstd", zstd_bomb), ("gzip", gzip_bomb)])
def test_bombs_are_refused_within_memory(name: str, bomb: Callable[[], bytes]) -> None:
    body = bomb()
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        encoding.expand(body, name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "expanded"
    assert peak < 4 * limits.BODY_BYTES


def test_ratio_bounds_small_bombs() -> None:
    body = compress(bytes(limits.BODY_BYTES))
    with pytest.raises(TooLarge, match="expands beyond"):
        encoding.expand(body, "zstd")


def test_a_false_content_size_is_refused() -> None:
    claims_4gb = bytes.fromhex("28b52ffd") + b"\xc0" + (4 << 30).to_bytes(8, "little") + b"\0" * 9
    for body in (claims_4gb, claims_4gb[:9]):
        with pytest.raises(InputError):
            encoding.expand(body, "zstd")


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_truncated_and_corrupt_bodies_are_refused(name: str) -> None:
    whole = gzip.compress(b"hello\n" * 100) if name == "gzip" else compress(b"hello\n" * 100)
    for cut in range(1, len(whole)):
        with pytest.raises(InputError):
            encoding.expand(whole[:cut], name)
    for body in (b"", b"not it", whole + b"trailing"):
        with pytest.raises(InputError):
            encoding.expand(body, name)


def test_several_members_are_joined_but_not_endlessly() -> None:
    assert encoding.expand(gzip.compress(b"a") + gzip.compress(b"b"), "GZIP") == b"ab"
    assert encoding.expand(compress(b"a") + compress(b"b"), "zstd") == b"ab"
    many = limits.MEMBERS_PER_BODY + 1
    with pytest.raises(TooLarge, match="more than"):
        encoding.expand(gzip.compress(b"") * many, "gzip")
    with pytest.raises(TooLarge, match="more than"):
        expand_payload(compress(b"") * many, 100)


def test_unknown_encodings_are_unsupported() -> None:
    with pytest.raises(Unsupported):
        encoding.expand(b"x", "br")
    body = b"x"
    assert encoding.expand(body, "identity") is body


def test_snappy_claims_are_checked_before_allocating() -> None:
    for claim, error in ((4 * limits.GIB - 1, TooLarge), (limits.MIB, InputError)):
        varint = b""
        while claim > 127:
            varint, claim = varint + bytes((claim & 127 | 128,)), claim >> 7
        with pytest.raises(error):
            snappy.expand(varint + bytes((claim,)) + b"abcd")
    for body in (b"", b"\xff" * 20):
        with pytest.raises(InputError):
            snappy.expand(body)
    with pytest.raises(InputError):
        loki.decode_protobuf(b"\xff\xff\xff")


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x03", b"\x0a\x05\x0a"])
def test_malformed_otlp_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        logs.decode_protobuf(data)
    assert caught.value.reason == "protobuf"


@pytest.mark.parametrize("message", [b"\x0a\x00", b"\x0a\x02\x12\x00"])
def test_millions_of_empty_messages_are_refused_before_parsing(message: bytes) -> None:
    data = message * 1_000_000
    with pytest.raises(TooLarge, match="empty messages"):
        logs.decode_protobuf(data)
    with pytest.raises(TooLarge, match="empty messages"):
        loki.decode_protobuf(data)


@pytest.mark.parametrize("nested", [False, True])
def test_a_record_with_ten_thousand_keys_is_refused(nested: bool) -> None:
    keys: dict[str, Any] = {f"key{i}": i for i in range(10_000)}
    body = b'{"body":"fine"}\n' + json.dumps({"attributes": keys} if nested else keys).encode()
    with pytest.raises(TooLarge, match=r"line 2: record has 10000 attributes, more than 512"):
        records.decode(body)


def test_a_record_line_beyond_the_limit_is_named() -> None:
    long = json.dumps({"body": "x" * limits.LINE_BYTES}).encode()
    with pytest.raises(TooLarge, match="line 3"):
        records.decode(b'{"body":"a"}\n{"body":"b"}\n' + long)


def test_a_very_long_line_is_cut_and_says_so() -> None:
    size = 20 * limits.MIB
    content = lines.decode(b"before\n" + b"x" * size + b"\nafter\n")
    rows = content.data.split(b"\n")
    assert content.repaired == {"line_length": 1}
    assert [rows[0], rows[2]] == [b"before", b"after"]
    assert len(rows[1]) <= limits.LINE_BYTES
    kept = rows[1].count(b"x")
    assert rows[1].endswith(f" …[cut {size - kept} bytes]".encode())


def test_labels_repeated_for_each_row_cannot_grow_without_bound() -> None:
    labels = {f"l{i}": "v" * 4000 for i in range(60)}
    entries = [["1", "x"]] * 1000
    body = json.dumps({"streams": [{"stream": labels, "values": entries}]}).encode()
    with pytest.raises(TooLarge) as caught:
        loki.decode_json(body)
    assert caught.value.reason == "expanded"


def test_the_agents_modules_need_only_the_base_dependencies() -> None:
    code = """
import sys
for name in ("google", "google.protobuf", "cramjam", "starlette", "opentelemetry", "chdb"):
    sys.modules[name] = None
import tailrace.wire.content, tailrace.wire.encoding, tailrace.wire.frames
import tailrace.wire.hints, tailrace.wire.lines, tailrace.wire.records, tailrace.wire.split
"""
    subprocess.run([sys.executable, "-c", code], check=True)
