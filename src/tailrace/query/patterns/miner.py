"""Shapes to templates: shapes that differ only in words which many lines fill differently, such as
names of users, become one.

1. A shape is cut into words and the marks between them. Only shapes with the same marks are
   compared.
2. Shapes that share SIMILAR of their words are a family, found greedily from the most frequent
   shape on; so families do not depend on the order in which rows are read.
3. In a family a word that takes VALUES forms or more, or of which a part varies already, is a
   variable, `<_>`. One that takes fewer is a difference that matters, such as "opened" and
   "closed": those templates stay apart.

A template that is known from before takes every shape that it matches, so that its text stays the
same from day to day, though fewer words may be seen in a place on a quiet one.

After: P. He and others, "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (2017),
which compares lines of one length by their share of equal words; and A. Makanju and others,
"Clustering Event Logs Using Iterative Partitioning" (2009), which tells variables by how many
values a position has. Why not Drain itself: docs/adr/0018-patterns.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailrace.query.patterns.shapes import ANY

# Below it, lines that say different things meet in what all lines of a program begin with.
SIMILAR = 0.6
# So many forms of one word are no states or verbs, which are few.
VALUES = 5
# Bounds of the comparing, which is every shape with every family of its marks: the first words say
# what a line is, and a program has not more kinds of lines that are cut alike.
WORDS_COMPARED = 64
FAMILIES_COMPARED = 300
_BETWEEN = re.compile(r"""([\s="'(){}\[\]|;,:<>/]+)""")
_HOLE = "\0"  # stands for `<_>` while a shape is cut, since its brackets are marks, too
Words: TypeAlias = tuple[str, ...]
Codes: TypeAlias = NDArray[np.int64]


def templates(shapes: Mapping[str, int], known: Iterable[str] = ()) -> dict[str, str]:
    """The template of each shape; `shapes` are finished, with how many lines have them."""
    before = _Known(known)
    by_marks: dict[Words, list[Words]] = defaultdict(list)
    found: dict[str, str] = {}
    for shape in sorted(shapes, key=lambda one: (-shapes[one], one)):
        marks, words = _cut(shape)
        if template := before.of(marks, words):
            found[shape] = template
        else:
            by_marks[marks].append(words)
    for marks, members in by_marks.items():
        for family in _families(members):
            for member, general in zip(family, _general(family), strict=True):
                found[_joined(marks, member)] = _joined(marks, general)
    return found


def _cut(shape: str) -> tuple[Words, Words]:
    """The marks between words, and the words."""
    parts = _BETWEEN.split(shape.replace(_HOLE, "").replace(ANY, _HOLE))
    return tuple(parts[1::2]), tuple(part.replace(_HOLE, ANY) for part in parts[::2])


def _joined(marks: Words, words: Words) -> str:
    return "".join(part for pair in zip(words, (*marks, ""), strict=True) for part in pair)


def _families(members: Sequence[Words]) -> list[list[Words]]:
    """Members by the most similar first member of a family; the earliest of equals."""
    if len(members) == 1:
        return [list(members)]
    codes = _codes(members)
    firsts = np.empty((FAMILIES_COMPARED, codes.shape[1]), np.int64)
    found: list[list[Words]] = []
    for number, words in enumerate(members):
        compared = min(len(found), FAMILIES_COMPARED)
        shares = _similarities(firsts[:compared], codes[number])
        best = int(shares.argmax()) if compared else 0
        if compared and shares[best] >= SIMILAR:
            found[best].append(words)
            continue
        if len(found) < FAMILIES_COMPARED:
            firsts[len(found)] = codes[number]
        found.append([words])
    return found


def _codes(members: Sequence[Words]) -> Codes:
    """Words as numbers, equal where they are equal; no word is 0, and `<_>` is 1."""
    numbers: dict[str, int] = {"": 0, ANY: 1}
    return np.array(
        [
            [numbers.setdefault(word, len(numbers)) for word in words[:WORDS_COMPARED]]
            for words in members
        ],
        np.int64,
    )


def _similarities(firsts: Codes, one: Codes) -> NDArray[np.float64]:
    """The share of equal words among those that are words in either; 1 where there are none."""
    said = (one > 1) | (firsts > 1)
    equal = (firsts == one) & said
    number = said.sum(axis=1)
    return np.where(number == 0, 1.0, equal.sum(axis=1) / np.maximum(number, 1))


def _general(family: Sequence[Words]) -> list[Words]:
    """The template of each member."""
    forms = [set(column) for column in zip(*family, strict=True)]
    varies = [
        len(some) >= VALUES or (len(some) > 1 and any(ANY in form for form in some))
        for some in forms
    ]
    return [
        tuple(ANY if free else word for word, free in zip(words, varies, strict=True))
        for words in family
    ]


class _Known:
    """Templates from before, by the marks between their words; what says most comes first."""

    def __init__(self, known: Iterable[str]) -> None:
        self._by_marks: dict[Words, list[tuple[Words, str]]] = defaultdict(list)
        for template in known:
            marks, words = _cut(template)
            self._by_marks[marks].append((words, template))
        for some in self._by_marks.values():
            some.sort(key=lambda one: (one[0].count(ANY), one[1]))

    def of(self, marks: Words, words: Words) -> str:
        """The template that matches a shape, or ""."""
        for template, text in self._by_marks.get(marks, ()):
            if all(a in (ANY, b) for a, b in zip(template, words, strict=True)):
                return text
        return ""
