"""Texts of our own, such as log messages, without what the guard would take out of others'."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.guard.cleaner import Cleaner
from tailrace.guard.rewrite import Edit, rewritten

_NEWLINE, _INNER = b"\n", b"\x1e"


class Scrubber:
    """What is found is redacted, whatever the rules say: no key is needed. Thread-safe."""

    def __init__(self, cleaner: Callable[[], Cleaner]) -> None:
        """`cleaner` gives what cleans; what it raises, `scrub` raises."""
        self._cleaner = cleaner

    def scrub(self, text: str) -> str:
        """`text` itself when nothing is found in it."""
        plain = text.encode(errors="backslashreplace").replace(_NEWLINE, _INNER)
        hits = self._cleaner().find(plain + _NEWLINE)
        if not hits:
            return text
        edits: list[Edit] = []
        for hit in hits:
            if not edits or hit.start >= edits[-1].stop:
                edits.append(Edit(hit.start, hit.stop, b"[redacted:%b]" % hit.kind.encode()))
            elif hit.stop > edits[-1].stop:
                edits[-1] = edits[-1]._replace(stop=hit.stop)
        cleaned = rewritten(plain, 0, len(plain), edits)
        return cleaned.replace(_INNER, _NEWLINE).decode(errors="replace")
