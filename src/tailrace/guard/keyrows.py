"""Private keys whose lines are rows of their own: what follows the first line, and what stands
before the last, for a key may begin in one frame and end in the next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tailrace.guard.finder import Hit

# A key of 16,384 bits has some 200 lines of 64 characters.
_ROWS = 256
_OPENED = re.compile(rb"-----BEGIN[ +][A-Z0-9 +]{0,32}PRIVATE[ +]KEY(?: BLOCK)?-{0,5}")
# Hashes in hexadecimal are no lines of it: it has letters of both cases, and ends its row.
_BODY = re.compile(
    rb"(?<![A-Za-z0-9+/:])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])[A-Za-z0-9+/]{40,120}={0,2}"
    rb"(?=\\*\"|[ \t\r]*$)"
)
# The last line is as long as is left; it ends its row or the text that holds it, and has other than
# small letters.
_LAST = re.compile(
    rb"(?<![A-Za-z0-9+/])(?=[a-z]*[A-Z0-9+/=])[A-Za-z0-9+/]{1,120}={0,2}"
    rb"(?=\\*\" ?[,}]|[ \t\r]*$)"
)
_FIRST_LINES = re.compile(rb"(?:Proc-Type|DEK-Info|Comment|Version): ?[^\n\"]*")
_END = re.compile(rb"-----END [A-Z0-9 ]{0,32}PRIVATE KEY")


def key_rows(data: bytes, hits: Sequence[Hit]) -> list[Hit]:
    """`hits` with those of the rows that belong to a key, ascending."""
    opened = [hit for hit in hits if hit.kind == "private_key"]
    more = [found for hit in opened for found in (*_following(data, hit), *_before(data, hit))]
    return sorted([*hits, *more]) if more else list(hits)


def _following(data: bytes, hit: Hit) -> Iterator[Hit]:
    if not _OPENED.fullmatch(data, hit.start, hit.stop):
        return
    at = data.find(b"\n", hit.stop) + 1
    for _ in range(_ROWS):
        stop = data.find(b"\n", at)
        if stop < 0 or _END.search(data, at, stop):
            return
        found = _BODY.search(data, at, stop) or _FIRST_LINES.search(data, at, stop)
        if found is None and _ends_next(data, stop):
            found = _LAST.search(data, at, stop)
        if found is None and data[at:stop].strip():
            return
        if found:
            yield hit._replace(start=found.start(), stop=found.end(), value=found[0])
        at = stop + 1


def _before(data: bytes, hit: Hit) -> Iterator[Hit]:
    if not _END.match(data, hit.start, hit.stop):
        return
    stop = data.rfind(b"\n", 0, hit.start)
    last = True
    for _ in range(_ROWS):
        if stop < 0:
            return
        start = data.rfind(b"\n", 0, stop) + 1
        found = _BODY.search(data, start, stop)
        if found is None and last:
            found = _LAST.search(data, start, stop)
        last = False
        if found is None:
            return
        yield hit._replace(start=found.start(), stop=found.end(), value=found[0])
        stop = start - 1


def _ends_next(data: bytes, stop: int) -> bool:
    return _END.search(data, stop + 1, max(stop + 1, data.find(b"\n", stop + 1))) is not None
