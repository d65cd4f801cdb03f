"""The record format: what is written is read, and a flipped bit costs one record."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.queue.record import MAGIC, Damage, Record, encode_prefix, walk

Entries = list[tuple[bytes, bytes]]
SALT = 0x1234_5678_9ABC_DEF0
ENTRIES = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=200)), max_size=6)


def build(entries: list[tuple[bytes, bytes]], base: int = 64) -> bytes:
    out = bytearray(base)
    for header, payload in entries:
        out += encode_prefix(header, payload, SALT, len(out)) + header + payload
    return bytes(out)


def items(data: bytes, salt: int = SALT) -> list[Record | Damage]:
    return list(walk(lambda offset, length: data[offset : offset + length], salt, 64, len(data)))


def pairs(found: list[Record | Damage]) -> list[tuple[bytes, bytes]]:
    return [(item.header, item.payload) for item in found if isinstance(item, Record)]


@given(ENTRIES)
def test_what_is_written_is_read(entries: list[tuple[bytes, bytes]]) -> None:
    assert pairs(items(build(entries))) == entries


@given(ENTRIES.filter(bool), st.data())
@settings(max_examples=examples(50))
def test_a_flipped_bit_costs_one_record(
    entries: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    stored = bytearray(build(entries))
    bit = data.draw(st.integers(64 * 8, len(stored) * 8 - 1))
    stored[bit // 8] ^= 1 << bit % 8
    hit = next(r for r in items(build(entries)) if r.start <= bit // 8 < r.end)
    found = items(bytes(stored))
    rest = [r for r in items(build(entries)) if r != hit]
    assert [r for r in found if isinstance(r, Record)] == rest
    assert [(d.start, d.end) for d in found if isinstance(d, Damage)] == [(hit.start, hit.end)]


@given(ENTRIES.filter(bool), st.data())
def test_a_cut_costs_only_what_was_cut(
    entries: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    stored = build(entries)
    length = data.draw(st.integers(64, len(stored)))
    whole = [r for r in items(stored) if r.end <= length]
    assert [r for r in items(stored[:length]) if isinstance(r, Record)] == whole


def test_a_record_inside_a_payload_is_never_taken_for_one() -> None:
    forged = encode_prefix(b"h", b"p", SALT, 0) + b"hp"
    stored = bytearray(build([(b"a", b"--" + forged + b"--"), (b"b", b"second")]))
    stored[64] ^= 1
    assert pairs(items(bytes(stored))) == [(b"b", b"second")]


def test_a_magic_across_two_windows_is_found() -> None:
    filler = b"z" * (1 << 20)
    for shift in range(6):
        stored = bytearray(build([(b"a", filler[shift + 24 :]), (b"b", MAGIC)]))
        stored[64] ^= 1
        assert pairs(items(bytes(stored))) == [(b"b", MAGIC)]
