"""Series as they are stored, and how queries spell them.

Stored names may hold dots and anything else. In a query a name matches as it is stored, or with
every character outside [a-zA-Z0-9_:] (in labels [a-zA-Z0-9_]) as "_". An answer spells names with
"_", or as they are stored when a name of the query is in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tailrace.query.labels import Labels, sanitise
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.groups import chosen
from tailrace.query.promql.ast import NAME, Aggregation, Binary, Expression, Selector, walk

_UNSAFE = re.compile(r"[^a-zA-Z0-9_:]")
_SAFE_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class Found:
    """One series as it is stored."""

    fingerprint: int
    name: str
    labels: Mapping[str, str]

    def value(self, label: str) -> str:
        """The value of a label of a query, "" without it."""
        if label == NAME:
            return self.name
        if label in self.labels:
            return self.labels[label]
        return next((self.labels[k] for k in sorted(self.labels) if sanitise(k) == label), "")

    def spelled(self, stored: bool, named: bool = True) -> Labels:
        """All labels, as they are `stored` or with "_"; with the name when `named`."""
        own = {NAME: self.name if stored else safe_name(self.name)} if named else {}
        # Of two labels that read the same, the one that is stored so stands first.
        for key in sorted(self.labels, key=lambda key: (key != sanitise(key), key)):
            own.setdefault(key if stored else sanitise(key), self.labels[key])
        return tuple(sorted(own.items()))


def safe_name(name: str) -> str:
    """The name of a metric for clients that know no dots."""
    name = _UNSAFE.sub("_", name)
    return f"_{name}" if not name or name[0].isdigit() else name


def as_stored(tree: Expression) -> bool:
    """Whether a name of the query is in quotes."""
    labels: list[str] = []
    for one in walk(tree):
        match one:
            case Selector():
                if one.quoted:
                    return True
            case Aggregation():
                labels += one.grouping.labels
            case Binary():
                labels += [*one.matching.labels, *one.matching.include]
            case _:
                pass
    # In lists of labels quotes are only there where they must be.
    return not all(map(_SAFE_LABEL.fullmatch, labels))


def grouped(found: Sequence[Found], grouping: Grouping, stored: bool) -> dict[Labels, list[Found]]:
    """Series by the labels that stand for them under an aggregation."""
    groups: dict[Labels, list[Found]] = {}
    for one in found:
        if grouping.without:
            labels = chosen(one.spelled(stored), grouping)
        else:
            pairs = ((label, one.value(label)) for label in grouping.labels)
            labels = tuple(sorted((k, _shown(k, v, stored)) for k, v in pairs if v))
        groups.setdefault(labels, []).append(one)
    return groups


def _shown(label: str, value: str, stored: bool) -> str:
    return safe_name(value) if label == NAME and not stored else value
