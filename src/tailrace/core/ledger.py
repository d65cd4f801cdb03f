"""Frames by their numbers, as the ledger speaks of them.

A Range is (first, last), both of them in it. Lists of ranges ascend, and no two of them touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import msgspec

Range = tuple[int, int]


class Numbering(msgspec.Struct, frozen=True, order=True):
    """Who numbers frames: within it each number is one frame."""

    tenant: str
    source: str
    epoch: int


class Span(msgspec.Struct, frozen=True, order=True):
    """Frames of one numbering, from `first_seq` to `last_seq`."""

    numbering: Numbering
    first_seq: int
    last_seq: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.last_seq - self.first_seq + 1


def in_turn(spans: Iterable[Span]) -> Iterator[Span]:
    """The first of each tenant, then the second of each, and so on."""
    by_tenant: dict[str, list[Span]] = {}
    for span in spans:
        by_tenant.setdefault(span.numbering.tenant, []).append(span)
    for row in zip_longest(*by_tenant.values()):
        yield from (span for span in row if span is not None)


def ranges(numbers: Iterable[int]) -> list[Range]:
    """Of numbers in any order."""
    return joined((number, number) for number in numbers)


def joined(found: Iterable[Range]) -> list[Range]:
    """One list of ranges that may overlap and be in any order."""
    result: list[Range] = []
    for first, last in sorted(found):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def within(span: Span, found: Iterable[Range]) -> list[Range]:
    """What of `found` lies in the span; it may be in any order."""
    cut = ((max(first, span.first_seq), min(last, span.last_seq)) for first, last in found)
    return joined((first, last) for first, last in cut if first <= last)


def without(wanted: Sequence[Range], known: Sequence[Range]) -> list[Range]:
    """What of one list of ranges is not in the other."""
    left: list[Range] = []
    others = iter(known)
    other = next(others, None)
    for first, last in wanted:
        while other is not None and other[0] <= last:
            if first < other[0]:
                left.append((first, other[0] - 1))
            first = max(first, other[1] + 1)
            if other[1] > last:
                break
            other = next(others, None)
        if first <= last:
            left.append((first, last))
    return left
