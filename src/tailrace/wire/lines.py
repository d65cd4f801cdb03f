"""Raw text lines: cheap checks and repairs over whole buffers, never line by line."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import CANONICAL, Codec, Hints
from tailrace.core.payload import count_rows
from tailrace.wire.content import Content
from tailrace.wire.text import boundary, has_blank_line, repair_text

# Room inside LINE_BYTES for the mark that says how much was cut.
_MARK_BYTES = 64


def decode(data: bytes, resource: dict[str, str] | None = None, newline: str = "") -> Content:
    r"""Lines as they will be stored. Raises InputError ("empty") when there is none.

    `newline`: the character that stands for a newline within a line (see wire/multiline.py); a
    "\r" before it goes too.
    """
    if newline and b"\r" in data:
        inner = newline.encode()
        data = data.replace(b"\r" + inner, inner)
    data, repaired = repair(data)
    if not data:
        raise InputError("body holds no line", "empty")
    hints = Hints(newline=newline) if newline else CANONICAL
    return Content(Codec.LINES, data, count_rows(data), hints, resource or {}, repaired)


def repair(data: bytes, line_bytes: int = limits.LINE_BYTES) -> tuple[bytes, dict[str, int]]:
    r"""Lines that any reader can take, and what was changed, counted by reason.

    "nul" and "utf8": replaced by U+FFFD. "blank": empty lines left out. "line_length": lines cut
    to `line_bytes` with a mark that says how much went. "\r\n" becomes "\n", not counted.
    Returns the same object when there was nothing to do. Repairing twice changes nothing more.
    """
    data, repaired = repair_text(data)
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    if has_blank_line(data):
        data, repaired["blank"] = _without_blank(data)
    data, cut = _cut_long(data, line_bytes)
    if cut:
        repaired["line_length"] = cut
    return data, repaired


def long_lines(data: bytes | bytearray, line_bytes: int) -> list[tuple[int, int]]:
    """Bounds, newline excluded, of lines longer than `line_bytes`; costs O(n / line_bytes)."""
    found: list[tuple[int, int]] = []
    position = 0
    while len(data) - position > line_bytes:
        newline = data.rfind(b"\n", position, position + line_bytes + 1)
        if newline < 0:
            newline = data.find(b"\n", position + line_bytes)
            newline = len(data) if newline < 0 else newline
            found.append((position, newline))
        position = newline + 1
    return found


def _without_blank(data: bytes) -> tuple[bytes, int]:
    before = len(data)
    while b"\n\n" in data:
        data = data.replace(b"\n\n", b"\n")
    data = data.lstrip(b"\n")
    return data, before - len(data)


def _cut_long(data: bytes, line_bytes: int) -> tuple[bytes, int]:
    found = long_lines(data, line_bytes)
    if not found:
        return data, 0
    pieces: list[bytes] = []
    position = 0
    for start, end in found:
        pieces += [data[position:start], cut_line(data[start:end], line_bytes)]
        position = end
    pieces.append(data[position:])
    return b"".join(pieces), len(found)


def cut_line(line: bytes, line_bytes: int = limits.LINE_BYTES) -> bytes:
    """The start of a line that is too long, and how many bytes were cut; within `line_bytes`."""
    kept = boundary(line, max(0, line_bytes - _MARK_BYTES))
    return line[:kept] + f" …[cut {len(line) - kept} bytes]".encode()
