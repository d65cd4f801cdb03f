"""Thrift's compact protocol, as much of it as the footer of a Parquet file needs: read to fields by
number, changed, and written again. What is not known is carried over as it is.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, _MAP, STRUCT = range(1, 13)
_INTEGERS = frozenset({I16, I32, I64})


class Field(NamedTuple):
    """A value and its type: an int for the integers, bytes for binary and double, a Fields for a
    struct, a Items for a list or a set, None for a boolean, which its type says."""

    kind: int
    value: Any


Fields = dict[int, Field]


class Items(NamedTuple):
    """Values of one type; a boolean is a byte here."""

    kind: int
    values: list[Any]


def decode(data: bytes) -> Fields:
    """A struct. Raises ValueError for what is none, or has a map in it."""
    try:
        found, end = _struct(data, 0)
    except IndexError:
        raise ValueError("a Thrift struct ends early") from None
    if end != len(data):
        raise ValueError("a Thrift struct is followed by something else")
    return found


def encode(fields: Fields) -> bytes:
    """The inverse of `decode`."""
    out = bytearray()
    _write_struct(out, fields)
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        found |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return found, at
        shift += 7


def _integer(data: bytes, at: int) -> tuple[int, int]:
    found, at = _varint(data, at)
    return (found >> 1) ^ -(found & 1), at


def _struct(data: bytes, at: int) -> tuple[Fields, int]:
    found: Fields = {}
    number = 0
    while byte := data[at]:
        kind, delta = byte & 0x0F, byte >> 4
        at += 1
        if delta:
            number += delta
        else:
            number, at = _integer(data, at)
        value: Any = None
        if kind not in (TRUE, FALSE):
            value, at = _value(data, at, kind)
        found[number] = Field(kind, value)
    return found, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _integer(data, at)
    if kind == STRUCT:
        return _struct(data, at)
    if kind in (LIST, SET):
        return _items(data, at)
    if kind == BINARY:
        size, at = _varint(data, at)
    else:
        sizes = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}
        if kind not in sizes:
            raise ValueError(f"Thrift type {kind} is not known here")
        size = sizes[kind]
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def _items(data: bytes, at: int) -> tuple[Items, int]:
    byte = data[at]
    at += 1
    count, kind = byte >> 4, byte & 0x0F
    if count == 15:
        count, at = _varint(data, at)
    values = []
    for _ in range(count):
        value, at = _value(data, at, kind)
        values.append(value)
    return Items(kind, values), at


def _write_varint(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _write_integer(out: bytearray, number: int) -> None:
    _write_varint(out, number << 1 if number >= 0 else (-number << 1) - 1)


def _write_struct(out: bytearray, fields: Fields) -> None:
    before = 0
    for number in sorted(fields):
        kind, value = fields[number]
        delta = number - before
        if 0 < delta < 16:
            out.append(delta << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, number)
        before = number
        if kind not in (TRUE, FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _write_integer(out, value)
    elif kind == STRUCT:
        _write_struct(out, value)
    elif kind in (LIST, SET):
        count = len(value.values)
        out.append(min(count, 15) << 4 | value.kind)
        if count >= 15:
            _write_varint(out, count)
        for one in value.values:
            _write_value(out, value.kind, one)
    else:
        if kind == BINARY:
            _write_varint(out, len(value))
        out += value
