"""Series of metrics as a table that a person can read: last, least, largest and the way between."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tailrace.core.visible import visible
from tailrace.query.logql.text import quote

COLUMNS = 40
_BARS = "▁▂▃▄▅▆▇█"
_HEAD = f"{'last':>10} {'min':>10} {'max':>10}  {'trend':<{COLUMNS}}  series\n"


def render(series: list[dict[str, Any]], start_s: float, end_s: float) -> Iterator[str]:
    """A line for each series, under what all of them share."""
    if not series:
        yield "no series has a sample in this time\n"
        return
    shared = _shared([one["metric"] for one in series])
    if shared:
        yield f"all are {visible(_named(shared))}\n"
    yield _HEAD
    for one in series:
        points = [(float(time), float(value)) for time, value in one["values"]]
        numbers = [value for _, value in points if not math.isnan(value)] or [math.nan]
        shown = (points[-1][1], min(numbers), max(numbers))
        rest = {k: v for k, v in one["metric"].items() if k not in shared}
        yield (
            " ".join(f"{value:10.4g}" for value in shown)
            + f"  {trend(points, start_s, end_s)}  {visible(_named(rest))}\n"
        )


def names(metadata: Mapping[str, list[dict[str, str]]]) -> Iterator[str]:
    """A line for each metric: kind, unit and name."""
    if not metadata:
        yield "no metric is stored yet\n"
    for name, [known, *_] in metadata.items():
        yield f"{visible(known['type']):<8} {visible(known['unit']) or '-':<10} {visible(name)}\n"


def trend(
    points: list[tuple[float, float]], start_s: float, end_s: float, columns: int = COLUMNS
) -> str:
    """As many bars as `columns` from `start_s` to `end_s`, each as high as its largest value; a
    space where there is none."""
    width = max(end_s - start_s, 1e-3) / columns
    highest: dict[int, float] = {}
    for time, value in points:
        if math.isfinite(value):
            column = min(max(int((time - start_s) / width), 0), columns - 1)
            highest[column] = max(value, highest.get(column, -math.inf))
    if not highest:
        return " " * columns
    low, high = min(highest.values()), max(highest.values())
    span = high / 2 - low / 2  # halves, since the whole may be more than a float holds
    bars = {n: (v / 2 - low / 2) / span if span else 0.0 for n, v in highest.items()}
    return "".join(
        _BARS[round(bars[n] * (len(_BARS) - 1))] if n in bars else " " for n in range(columns)
    )


def _shared(found: list[dict[str, str]]) -> dict[str, str]:
    """Labels that all of several series have, without the name."""
    if len(found) < 2:
        return {}
    first = found[0].items()
    return {k: v for k, v in first if k != "__name__" and all(one.get(k) == v for one in found[1:])}


def _named(labels: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{k}={quote(v)}" for k, v in labels.items() if k != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{pairs}}}" if pairs or not name else name
