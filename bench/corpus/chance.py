"""Random choices that come out the same on every Python: only `random()` of the generator is used,
the one method whose sequence for a seed Python promises to keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

_T = TypeVar("_T")
DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CAPITALS = LETTERS.upper()
ALNUM = LETTERS + CAPITALS + DIGITS


class Weighted(Generic[_T]):
    """Items by how often each is wanted; weights are relative."""

    def __init__(self, items: Sequence[tuple[_T, float]]) -> None:
        self.items = [item for item, _ in items]
        self.ends = list(accumulate(weight for _, weight in items))


class Chance:
    """One sequence of choices for one seed."""

    __slots__ = ("random",)

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def below(self, end: int) -> int:
        """0 to `end` - 1."""
        return int(self.random() * end)

    def between(self, first: int, last: int) -> int:
        """`first` to `last`, both included."""
        return first + int(self.random() * (last - first + 1))

    def odds(self, share: float) -> bool:
        """True in `share` of all calls."""
        return self.random() < share

    def pick(self, items: Sequence[_T]) -> _T:
        return items[int(self.random() * len(items))]

    def made(self, makers: Sequence[Callable[[], _T]]) -> _T:
        """What one of them returns."""
        return self.pick(makers)()

    def weighted(self, table: Weighted[_T]) -> _T:
        point = self.random() * table.ends[-1]
        for item, end in zip(table.items, table.ends, strict=True):
            if point < end:
                return item
        return table.items[-1]

    def text(self, length: int, alphabet: str) -> str:
        size, draw = len(alphabet), self.random
        return "".join([alphabet[int(draw() * size)] for _ in range(length)])

    def digits(self, length: int) -> str:
        found = ""
        while length > 12:
            found += f"{int(self.random() * 10**12):012d}"
            length -= 12
        return found + f"{int(self.random() * 10**length):0{length}d}" if length else found

    def hex(self, length: int) -> str:
        found = ""
        while length > 12:
            found += f"{int(self.random() * 16**12):012x}"
            length -= 12
        return found + f"{int(self.random() * 16**length):0{length}x}" if length else found

    def uuid(self) -> str:
        """A random one, version 4."""
        h = self.hex(30)
        return f"{h[:8]}-{h[8:12]}-4{h[12:15]}-{'89ab'[self.below(4)]}{h[15:18]}-{h[18:30]}"
