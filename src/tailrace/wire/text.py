"""Repair of bytes that should be UTF-8 text, whole buffers at a time."""

from __future__ import annotations

import re

from tailrace.core import limits

REPLACEMENT = "\ufffd".encode()
_PIECE = limits.MIB
# Twice as fast as `b"\n\n" in data`.
_blank_line = re.compile(rb"\n\n").search


def repair_text(data: bytes) -> tuple[bytes, dict[str, int]]:
    """`data` without NUL ("nul") and as valid UTF-8 ("utf8"), and how many were replaced.

    Each becomes U+FFFD. Returns the same object when there was nothing to do.
    """
    repaired: dict[str, int] = {}
    if b"\0" in data:
        repaired["nul"] = data.count(b"\0")
        data = data.replace(b"\0", REPLACEMENT)
    if not data.isascii() and not _valid(data):
        before = data.count(REPLACEMENT)
        data = b"".join(_replaced(data))
        repaired["utf8"] = data.count(REPLACEMENT) - before
    return data, repaired


def has_blank_line(data: bytes | bytearray) -> bool:
    """Whether a newline comes first or right behind another one."""
    return data.startswith(b"\n") or _blank_line(data) is not None


def boundary(data: bytes, end: int) -> int:
    """The last place at or before `end` that does not split a character."""
    for back in range(min(4, end)):
        if end - back < len(data) and data[end - back] & 0xC0 == 0x80:
            continue
        return end - back
    return end


def _valid(data: bytes) -> bool:
    try:
        for start, end in _pieces(data):
            data[start:end].decode()
    except UnicodeDecodeError:
        return False
    return True


def _replaced(data: bytes) -> list[bytes]:
    return [data[start:end].decode(errors="replace").encode() for start, end in _pieces(data)]


def _pieces(data: bytes) -> list[tuple[int, int]]:
    """Bounds of pieces of about 1 MiB: the text of a whole body would take four times its size."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(data):
        end = start + _PIECE
        end = boundary(data, end) if end < len(data) else len(data)
        found.append((start, end))
        start = end
    return found
