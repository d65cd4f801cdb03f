"""The fields of a protobuf message, walked without building anything.

Source: https://protobuf.dev/programming-guides/encoding/. Groups, which protobuf gave up long ago,
are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.core.errors import InputError

_FIXED = {1: 8, 5: 4}
_VARINT_BYTES = 10
_TAG_BYTES = 5


def fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """`field` for each between two places."""
    while position < end:
        found = field(data, position, end)
        yield found
        position = found[2]


def field(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Tag (number and type) of the field at `position`, start and end of its value.

    Raises InputError ("protobuf") where the bytes before `end` are no field.
    """
    tag, inner = varint(data, position, end, _TAG_BYTES)
    kind = tag & 7
    if kind == 2:
        size, inner = varint(data, inner, end)
        stop = inner + size
    elif kind == 0:
        _, stop = varint(data, inner, end)
    elif kind in _FIXED:
        stop = inner + _FIXED[kind]
    else:
        raise malformed()
    if stop > end or not 8 <= tag < 2**32:
        raise malformed()
    return tag, inner, stop


def varint(data: bytes, position: int, end: int, most: int = _VARINT_BYTES) -> tuple[int, int]:
    """A number of at most `most` bytes, and where it ends. Raises InputError ("protobuf")."""
    if position < end and data[position] < 0x80:
        return data[position], position + 1
    number = 0
    for index in range(position, min(position + most, end)):
        number |= (data[index] & 0x7F) << 7 * (index - position)
        if data[index] < 0x80:
            return number, index + 1
    raise malformed()


def malformed() -> InputError:
    return InputError("body is malformed protobuf", "protobuf")
