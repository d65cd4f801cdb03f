"""The answer of a rule in SQL as series: texts are labels, and the one number is the value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tailrace.core.alerting import Labels
from tailrace.core.errors import QueryError
from tailrace.core.limits import LABELS_PER_SERIES
from tailrace.query.sql.formats import Field

# The type within those that say how it is kept.
_TYPE = re.compile(r"(?:LowCardinality\(|Nullable\()*(\w+)")
_NUMBER = re.compile(r"U?Int\d+|Float\d+|BFloat16|Decimal")
_TEXTS = frozenset(("String", "FixedString", "Enum8", "Enum16", "UUID", "IPv4", "IPv6", "Bool"))
# Names that need no quotes in templates and queries.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SHOWN_CHARS = 200


class Columns(NamedTuple):
    """Names of the labels, each with the place of its column, and the place of the value."""

    labels: tuple[tuple[str, int], ...]
    value: int


def columns(fields: Sequence[Field]) -> Columns:
    """What the columns of an answer are. Raises QueryError, with the name of one that is wrong."""
    kinds = [_kind(one) for one in fields]
    numbers = [place for place, kind in enumerate(kinds) if kind == "number"]
    if len(numbers) != 1:
        names = ", ".join(fields[place].name for place in numbers)
        raise QueryError(
            "a rule in SQL needs one column that is a number, such as count() AS value; "
            + (f"there are {names}: make labels of the others with toString()" if names
               else "there is none")
        )  # fmt: skip
    labels = tuple((one.name, n) for n, one in enumerate(fields) if n != numbers[0])
    _check_names([name for name, _ in labels])
    return Columns(labels, numbers[0])


def _kind(found: Field) -> str:
    """Raises QueryError for a column that is neither."""
    parsed = _TYPE.match(found.type)
    kind = parsed[1] if parsed else ""
    if _NUMBER.fullmatch(kind):
        return "number"
    if kind in _TEXTS:
        return "text"
    raise QueryError(
        f"the column {found.name} of a rule in SQL is of type {found.type[:_SHOWN_CHARS]}, neither "
        "a number nor a text; make a text of it with toString(), or leave it out"
    )


def _check_names(names: Sequence[str]) -> None:
    if len(names) > LABELS_PER_SERIES:
        raise QueryError(f"a series has at most {LABELS_PER_SERIES} labels (LABELS_PER_SERIES)")
    for place, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise QueryError(f"the column {name!r} is no name of a label; give it one with AS")
        if name in names[:place]:
            raise QueryError(f"two columns have the name {name}; give one of them another with AS")


def series(known: Columns, rows: Iterable[Sequence[Any]]) -> dict[Labels, float]:
    """The value of each row by its labels; rows whose value is NULL or NaN are left out. Raises
    QueryError where two have the same labels."""
    found: dict[Labels, float] = {}
    for row in rows:
        value = row[known.value]
        if value is None or math.isnan(value):
            continue
        pairs = ((name, _text(row[place])) for name, place in known.labels)
        labels = tuple(sorted((name, text) for name, text in pairs if text))
        if labels in found:
            shown = ", ".join(f"{name}={text!r}" for name, text in labels)[:_SHOWN_CHARS]
            raise QueryError(f"two rows have the same labels {{{shown}}}; group by all of them")
        found[labels] = float(value)
    return found


def _text(value: Any) -> str:
    """A label as text; "" for NULL, which is no label."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case bytes():
            return value.rstrip(b"\0").decode(errors="replace")
        case _:
            return str(value)
