"""Tables and charts for a notebook. Everything that came from a server is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tailrace.core.visible import visible

ROWS_SHOWN = 50
CELL_CHARS = 300
LINES_SHOWN = 10
WIDTH, HEIGHT, MARGIN = 640, 160, 4
# Told apart without colour vision, too; from Okabe and Ito.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
Points = Sequence[tuple[float, float]]


def cell(value: Any) -> str:
    """A value as text without markup and without characters that are not seen."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= CELL_CHARS else text[:CELL_CHARS] + "…"
    return html.escape("\n".join(map(visible, cut.split("\n"))))


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], count: int) -> str:
    """A table of the first ROWS_SHOWN of `count` rows."""
    head = "".join(f"<th>{cell(name)}</th>" for name in columns)
    body = []
    for _, row in zip(range(ROWS_SHOWN), rows, strict=False):
        cells = (
            f'<td style="text-align:left;white-space:pre-wrap">{cell(row.get(name))}</td>'
            for name in columns
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    rest = count - len(body)
    note = f"<p>{rest} more rows are not shown</p>" if rest > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{note}"


def chart(series: Sequence[tuple[str, Points]]) -> str:
    """A small line chart as SVG of the first LINES_SHOWN series; times in seconds."""
    shown = [(name, _finite(points)) for name, points in series[:LINES_SHOWN]]
    every = [point for _, points in shown for point in points]
    if not every:
        return "<p>no samples</p>"
    times, values = [time for time, _ in every], [value for _, value in every]
    box = (min(times), max(times), min(values), max(values))
    drawn = []
    for number, (name, points) in enumerate(shown):
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(point, box) for point in points))
        colour = COLOURS[number % len(COLOURS)]
        drawn.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5">'
            f"<title>{cell(name)}</title></polyline>"
        )
    legend = "".join(
        f'<li style="color:{COLOURS[n % len(COLOURS)]}">{cell(name)}</li>'
        for n, (name, _) in enumerate(shown)
    )
    rest = len(series) - len(shown)
    more = f"<li>{rest} more series are not drawn</li>" if rest > 0 else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{box[2]:.6g} to {box[3]:.6g}</title>{''.join(drawn)}</svg>"
        f"<p>from {box[2]:.6g} to {box[3]:.6g}</p><ul>{legend}{more}</ul>"
    )


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(time, value) for time, value in points if math.isfinite(value)]


def _place(
    point: tuple[float, float], box: tuple[float, float, float, float]
) -> tuple[float, float]:
    left, right, low, high = box
    # Halves, since the whole may be more than a float holds.
    across = (point[0] - left) / ((right - left) or 1)
    up = (point[1] / 2 - low / 2) / ((high / 2 - low / 2) or 1)
    return (
        MARGIN + across * (WIDTH - 2 * MARGIN),
        HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN),
    )
