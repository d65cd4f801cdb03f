"""Templates of the rows that a WHERE selects, with how many lines they have over time.

Two statements: how many rows and lines there are in each step; then the shapes of the rows with
their lines by step, those with most lines first. The shapes become templates here, see miner.py.
Lines are counted by weight, so a sampled row counts for those that it stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.core.errors import QueryError
from tailrace.core.limits import (
    PATTERN_ROWS,
    PATTERN_SHAPES,
    PATTERN_SHAPES_COUNTED,
    PATTERN_STEPS,
    PATTERNS,
)
from tailrace.query.binder import Binder
from tailrace.query.labels import level
from tailrace.query.patterns import miner
from tailrace.query.patterns.shapes import SHAPE_SQL, finished
from tailrace.query.plan import Statement, within

Rows = list[tuple[Any, ...]]
Run = Callable[[Statement], Awaitable[Rows]]
# `logs.pushdown.conditions` with their values in a binder.
Where = Callable[[Binder], Sequence[str]]


@dataclass(frozen=True)
class Steps:
    """`[start_ns, end_ns]` in cells `[n * step_ns, (n + 1) * step_ns)` since 1970, so that a cell
    is the same whenever it is asked for. Raises QueryError beyond PATTERN_STEPS."""

    start_ns: int
    end_ns: int
    step_ns: int

    def __post_init__(self) -> None:
        if self.last - self.first >= PATTERN_STEPS:
            raise QueryError(
                f"the range holds more than {PATTERN_STEPS} steps (PATTERN_STEPS); "
                "use a longer step"
            )

    @property
    def first(self) -> int:
        return self.start_ns // self.step_ns

    @property
    def last(self) -> int:
        return self.end_ns // self.step_ns


@dataclass
class Template:
    """`text` has `<_>` where lines differ; `lines` by the start of their cell in nanoseconds.

    `severity` is the highest of its lines, as OpenTelemetry numbers them.
    """

    text: str
    severity: int = 0
    lines: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.lines.values())

    @property
    def level(self) -> str:
        return level(self.severity)


@dataclass(frozen=True)
class Templates:
    """Most lines first, at most PATTERNS. `other` has the lines of all that is left out, by cell.

    `every`: of so many rows one was looked at, when there are more than PATTERN_ROWS; the numbers
    are estimates then.
    """

    found: list[Template]
    other: dict[int, int]
    every: int = 1


async def templates(
    run: Run, where: Where, steps: Steps, known: Iterable[str] = (), table: str = "logs"
) -> Templates:
    """Templates of the rows of `table` within `steps` that meet `where`, which must name the
    tenant.

    `known` are templates from before: a line that one of them matches belongs to it, which keeps
    texts the same from one time to the next.
    """
    cells = await run(_totals(where, steps, table))
    rows = sum(row[2] for row in cells)
    if not rows:
        return Templates([], {})
    every = -(-rows // PATTERN_ROWS)
    shapes = await run(_shapes(where, steps, every, table))
    found = await asyncio.to_thread(_merged, shapes, steps.step_ns, every, tuple(known))
    found.sort(key=lambda one: (-one.total, one.text))
    other = {cell * steps.step_ns: int(lines) for cell, lines, _ in cells}
    for template in found[:PATTERNS]:
        for time_ns, lines in template.lines.items():
            other[time_ns] = other.get(time_ns, 0) - lines
    rest = {time_ns: lines for time_ns, lines in sorted(other.items()) if lines > 0}
    return Templates(found[:PATTERNS], rest, every)


def _totals(where: Where, steps: Steps, table: str) -> Statement:
    """Rows `(cell, lines, rows)`."""
    bind = Binder()
    cell = _cell(steps, bind)
    sql = (
        f"SELECT {cell} AS cell, sum(Weight), count() FROM {table} "
        f"WHERE {_conditions(where, steps, bind)} GROUP BY cell"
    )
    return Statement(sql, bind.values)


def _shapes(where: Where, steps: Steps, every: int, table: str) -> Statement:
    """Rows `(shape, severity, cells, lines of each cell)`."""
    bind = Binder()
    cell = _cell(steps, bind)
    conditions = _conditions(where, steps, bind)
    if every > 1:
        conditions += f" AND _part_offset % {int(every)} = 0"
    sql = (
        "SELECT toValidUTF8(Shape), Severity, ByCell.1, ByCell.2 FROM ("
        f"SELECT {SHAPE_SQL} AS Shape, max(SeverityNumber) AS Severity, sum(Weight) AS Lines, "
        f"sumMap([{cell}], [toUInt64(Weight)]) AS ByCell "
        f"FROM {table} WHERE {conditions} GROUP BY Shape) "
        f"ORDER BY Lines DESC, Shape LIMIT {PATTERN_SHAPES} "
        f"SETTINGS max_rows_to_group_by={PATTERN_SHAPES_COUNTED}, group_by_overflow_mode='any'"
    )
    return Statement(sql, bind.values)


def _cell(steps: Steps, bind: Binder) -> str:
    return f"intDiv(toUnixTimestamp64Nano(Timestamp), {bind.integer(steps.step_ns)})"


def _conditions(where: Where, steps: Steps, bind: Binder) -> str:
    return " AND ".join([*where(bind), within(steps.start_ns, steps.end_ns, bind)])


def _merged(shapes: Rows, step_ns: int, every: int, known: Sequence[str]) -> list[Template]:
    named = [finished(row[0]) for row in shapes]
    lines: dict[str, int] = {}
    for shape, row in zip(named, shapes, strict=True):
        lines[shape] = lines.get(shape, 0) + sum(row[3])
    texts = miner.templates(lines, known)
    found: dict[str, Template] = {}
    for shape, (_, severity, cells, counts) in zip(named, shapes, strict=True):
        template = found.setdefault(texts[shape], Template(texts[shape]))
        template.severity = max(template.severity, severity)
        for cell, count in zip(cells, counts, strict=True):
            time_ns = cell * step_ns
            template.lines[time_ns] = template.lines.get(time_ns, 0) + count * every
    return list(found.values())
