"""One statement that folds the rows of a range aggregation in cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tailrace.core.limits import QUERY_CELLS
from tailrace.query.binder import Binder
from tailrace.query.labels import LEVEL_NAMES
from tailrace.query.logs.columns import NANOSECONDS, STREAM_COLUMNS, line_bytes
from tailrace.query.logs.condition import Field, any_of
from tailrace.query.logs.partials import HEAVIEST, ROWS, Part
from tailrace.query.logs.pushdown import Pushed
from tailrace.query.logs.reading import Reading
from tailrace.query.logs.windows import Window
from tailrace.query.plan import Statement, within

# What a row is: SURE has its place in a cell, of UNSURE ones SQL cannot tell, ERROR has one.
SURE, UNSURE, ERROR = 0, 1, 2
# Levels as keys; a label that was dropped is a level that there is not.
_ONE_LEVEL = (
    "toUInt8(if(SeverityNumber BETWEEN 1 AND 24, intDiv(SeverityNumber - 1, 4) * 4 + 1, 0))"
)
_LEVELS = ("SeverityNumber", "toUInt8(255)", _ONE_LEVEL)
_ORDERS = {"first": "min", "last": "max"}


@dataclass(frozen=True)
class Keys:
    """The columns by which series differ: those of `labels`, or of the whole stream and of labels
    that are named besides when None."""

    labels: tuple[str, ...] | None
    fields: tuple[Field, ...] = ()
    stream: Sequence[str] = STREAM_COLUMNS

    @classmethod
    def of(cls, labels: tuple[str, ...] | None, named: tuple[str, ...], rows: Pushed) -> Keys:
        """Raises NotExpressible."""
        if labels is None:
            return cls(None, tuple(rows.field(label) for label in named))
        return cls(labels, tuple(_key(label, rows) for label in labels))

    @property
    def unsure(self) -> str:
        return any_of(*(one.unsure_text for one in self.fields))

    @property
    def columns(self) -> Sequence[str]:
        own = [one.text for one in self.fields]
        return own if self.labels is not None else [*self.stream, *own]

    def by_level(self) -> Keys:
        """The same with one number for each level, for what cannot be merged."""
        number = _LEVELS[0]
        fields = (Field(_ONE_LEVEL) if one.text == number else one for one in self.fields)
        stream = [_ONE_LEVEL if text == number else text for text in self.stream]
        return replace(self, fields=tuple(fields), stream=stream)


def _key(label: str, rows: Pushed) -> Field:
    """Levels are grouped by number, which is cheaper than by word: the reader merges them."""
    if label in LEVEL_NAMES:
        return Field(_LEVELS[0] if rows.stays(label) else _LEVELS[1])
    return rows.field(label)


def statement(
    rows: Pushed, keys: Keys, value: str, parts: Sequence[Part], window: Window, reading: Reading
) -> Statement:
    """Rows `(flag, keys..., cell, rows, heaviest, parts..., [rows, parts... of the rest])`.

    Of "first" and "last" parts a column with their time follows at the end, for the cell and then
    for the rest.
    """
    bind = rows.bind
    unsure = any_of(rows.unsure, keys.unsure)
    flag = _flag(unsure, rows.error)
    names = [f"k{n}" for n in range(len(keys.columns))]
    late = _late(window, bind) if window.splits else ""
    inner = [
        f"{flag} AS flag",
        *(
            _column(text, name, keys, unsure)
            for text, name in zip(keys.columns, names, strict=True)
        ),
        f"{NANOSECONDS} AS t",
        f"toUInt32(intDiv({_since(window, bind)}, {bind.integer(window.step_ns)})) AS cell",
        "toInt64(Weight) AS w",
        *([f"{value} AS v"] if value else []),
        *(
            [f"{line_bytes(reading.table)} AS b"]
            if any("b" in part.argument for part in parts)
            else []
        ),
        *([f"{late} AS late"] if late else []),
    ]
    where = [*rows.may_pass, *times(window, bind)]
    outer = ["flag", *names, "cell", *_aggregates((ROWS, HEAVIEST, *parts), "")]
    if late:
        outer += _aggregates((ROWS, *parts), "late")
    outer += [_order(part, "") for part in parts if part.fold in _ORDERS]
    if late:
        outer += [_order(part, "late") for part in parts if part.fold in _ORDERS]
    sql = (
        f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM {reading.table} "
        f"WHERE {' AND '.join([f'Tenant = {bind.text(reading.tenant)}', *where])}) "
        f"GROUP BY {', '.join(['flag', *names, 'cell'])} LIMIT {QUERY_CELLS + 1}"
    )
    return Statement(sql, bind.values)


def _flag(unsure: str, error: str) -> str:
    if not unsure and not error:
        return "0"
    return f"multiIf({unsure or '0'}, {UNSURE}, {error or '0'}, {ERROR}, {SURE})"


def _column(text: str, name: str, keys: Keys, unsure: str) -> str:
    if keys.labels is None or not unsure or text in _LEVELS:
        return f"{text} AS {name}"
    # The label first: extraction.py has why.
    return f"if({text} = '' OR flag != {SURE}, '', {text}) AS {name}"


def _aggregates(parts: Sequence[Part], condition: str) -> list[str]:
    return [part.sql(condition) for part in parts]


def _order(part: Part, condition: str) -> str:
    return Part(_ORDERS[part.fold], "t", part.fold).sql(condition)


def _since(window: Window, bind: Binder) -> str:
    return f"({NANOSECONDS} - {bind.integer(window.origin_ns + 1)})"


def _late(window: Window, bind: Binder) -> str:
    """SQL that holds for rows in the last part of a cell, as long as the rest of the range."""
    least = bind.integer(window.step_ns - window.rest_ns)
    return f"({_since(window, bind)} % {bind.integer(window.step_ns)} >= {least})"


def times(window: Window, bind: Binder) -> list[str]:
    """Conditions for the rows that any window needs."""
    found = [within(window.low_ns + 1, window.high_ns, bind)]
    # Between windows that are apart are rows of none.
    return [*found, _late(window, bind)] if window.whole == 0 else found
