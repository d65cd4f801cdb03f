"""Whether a file still holds what was read of it: hashes of its first bytes and of those before
the place that was reached. It may have another name, be a copy, or be compressed by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import xxhash

from tailrace.agent.checkpoints import Mark
from tailrace.agent.files.contents import Content

HEAD_BYTES = 256
TAIL_BYTES = 64
T = TypeVar("T")


def mark_at(content: Content, offset: int, path: str, changed_ns: int = 0) -> Mark:
    """The mark at `offset` of a file that was first seen at `path`. Raises OSError."""
    if not offset:
        return Mark(path, changed_ns=changed_ns)
    head = _hash(content, 0, min(HEAD_BYTES, offset))
    return Mark(path, offset, head, _tail(content, offset), changed_ns=changed_ns)


def mark_after(
    content: Content, before: Mark, read: memoryview, changed_ns: int, cutting: bool
) -> Mark:
    """The mark after `read`, which is what the file has behind `before`. Raises OSError.

    Of what was read, and not of the file, where it is enough: that may be truncated by now.
    """
    offset = before.offset + len(read)
    if not offset:
        return Mark(before.path, changed_ns=changed_ns)
    head = before.head
    if not before.offset:
        head = xxhash.xxh3_64_intdigest(read[:HEAD_BYTES])
    elif before.offset < HEAD_BYTES:
        head = _hash(content, 0, min(HEAD_BYTES, offset))
    whole = len(read) >= TAIL_BYTES or not before.offset
    last = read[-TAIL_BYTES:]
    tail = xxhash.xxh3_64_intdigest(last) if whole else _tail(content, offset)
    return Mark(before.path, offset, head, tail, cutting, changed_ns=changed_ns)


def holds(content: Content, size: int, mark: Mark) -> bool:
    """Whether the bytes that `mark` covers are in a file of `size` bytes. Raises OSError."""
    return mark.offset == 0 or (
        size >= mark.offset
        and _hash(content, 0, min(HEAD_BYTES, mark.offset)) == mark.head
        and _tail(content, mark.offset) == mark.tail
    )


class Kin(Generic[T]):
    """Marks by the first bytes they stand for, to be asked for the text of another file."""

    def __init__(self, marks: Iterable[tuple[Mark, T]]) -> None:
        self._by_head: dict[int, dict[int, list[tuple[Mark, T]]]] = {}
        for mark, owner in marks:
            if mark.offset:
                same_length = self._by_head.setdefault(min(HEAD_BYTES, mark.offset), {})
                same_length.setdefault(mark.head, []).append((mark, owner))

    def furthest(self, content: Content, size: int) -> tuple[Mark, T] | None:
        """The mark that reaches furthest into what the file holds too. Raises OSError."""
        found = None
        for one in self._alike(content, size):
            if one[0].offset <= size and _tail(content, one[0].offset) == one[0].tail:
                found = one
        return found

    def reaches_beyond(self, content: Content, size: int) -> bool:
        """Whether the file begins like one that was read, and does not hold all of that."""
        return any(
            mark.offset > size or _tail(content, mark.offset) != mark.tail
            for mark, _ in self._alike(content, size)
        )

    def _alike(self, content: Content, size: int) -> list[tuple[Mark, T]]:
        """Those of which the file has the first bytes."""
        found = [
            one
            for length, by_head in self._by_head.items()
            if length <= size
            for one in by_head.get(_hash(content, 0, length), ())
        ]
        # In order of their offsets: a compressed file is read once, from front to back.
        return sorted(found, key=lambda one: one[0].offset)


def _tail(content: Content, offset: int) -> int:
    before = min(TAIL_BYTES, offset)
    return _hash(content, offset - before, before)


def _hash(content: Content, start: int, length: int) -> int:
    return xxhash.xxh3_64_intdigest(content.read_at(length, start))
