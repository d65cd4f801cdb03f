"""Cut content into pieces that each fit one frame."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.payload import count_rows


def split(
    data: bytes, limit_bytes: int = limits.FRAME_BYTES, limit_rows: int = limits.FRAME_ROWS
) -> list[bytes]:
    """Pieces of whole lines, at most `limit_bytes` and `limit_rows` each; joined they are `data`.

    A single line longer than `limit_bytes` becomes a piece of its own. Data that fits is returned
    as it is, not copied.
    """
    pieces: list[bytes] = []
    position = 0
    while position < len(data):
        end = piece_end(data, position, limit_bytes)
        pieces.extend(_by_rows(data[position:end], limit_rows))
        position = end
    return pieces


def piece_end(data: bytes | bytearray, position: int, limit_bytes: int) -> int:
    """Where the piece of whole lines that starts at `position` ends."""
    if len(data) - position <= limit_bytes:
        return len(data)
    newline = data.rfind(b"\n", position, position + limit_bytes)
    if newline < 0:
        newline = data.find(b"\n", position)
    return len(data) if newline < 0 else newline + 1


def _by_rows(piece: bytes, limit_rows: int) -> list[bytes]:
    """Halve at a newline until every part has few enough rows."""
    done: list[bytes] = []
    waiting = [piece]
    while waiting:
        part = waiting.pop()
        if count_rows(part) <= limit_rows:
            done.append(part)
            continue
        middle = part.find(b"\n", len(part) // 2, len(part) - 1)
        if middle < 0:
            middle = part.rfind(b"\n", 0, len(part) - 1)
        waiting += [part[middle + 1 :], part[: middle + 1]]
    return done
