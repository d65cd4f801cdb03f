"""What a measurement says: a name, a figure, and the goal it is held to, if any."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`met` is None where there is no goal."""

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None


def plain(name: str, value: float, unit: str) -> Figure:
    """A figure that is only told."""
    return Figure(name, value, unit)


def at_most(name: str, value: float, unit: str, goal: float) -> Figure:
    """A figure that must not be larger."""
    return Figure(name, value, unit, f"at most {goal:g}", value <= goal)


def at_least(name: str, value: float, unit: str, goal: float) -> Figure:
    """A figure that must not be smaller."""
    return Figure(name, value, unit, f"at least {goal:g}", value >= goal)


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that `share` of all do not pass."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)  # rounded up
    return ordered[max(int(rank), 1) - 1]


def table(figures: list[Figure]) -> str:
    """Aligned text: figure, value, goal, whether it is met."""
    rows = [("figure", "measured", "goal", "met")]
    for one in figures:
        met = "" if one.met is None else ("yes" if one.met else "NO")
        rows.append((one.name, shown(one.value, one.unit), one.goal, met))
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def shown(value: float, unit: str) -> str:
    """Three digits that count: `1,230,000 rows`, `0.163 bytes`, `44 ms`."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()
