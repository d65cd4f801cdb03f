"""Templates as a table that a person can read: lines, share, the way between, and the template.

lines  share  trend                 template
1,204    61%  ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██▇▇▆▆  <_> INFO Received block blk_<_>
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailrace.core.visible import visible
from tailrace.query.table import trend

COLUMNS = 20
_HEAD = f"{'lines':>11} {'share':>6}  {'trend':<{COLUMNS}}  template\n"
Samples = list[list[int]]


def render(answer: dict[str, Any], start_s: float, end_s: float, most: int) -> Iterator[str]:
    """A line for each of the `most` templates with most lines; the rest as one, in the shape of
    patterns/http.py."""
    found = answer["data"]
    total = sum(map(_total, (*(one["samples"] for one in found), answer["other"])))
    if not total:
        yield "no line matches in this time\n"
        return
    yield _HEAD
    for one in found[:most]:
        yield _row(one["samples"], visible(one["pattern"]), total, start_s, end_s)
    rest = [*(one["samples"] for one in found[most:]), answer["other"]]
    if any(rest):
        yield _row(_sum(rest), "(all others)", total, start_s, end_s)
    if answer["every"] > 1:
        yield f"estimated: one of {answer['every']} rows was looked at\n"


def _row(samples: Samples, text: str, total: int, start_s: float, end_s: float) -> str:
    lines = _total(samples)
    bars = trend([(float(t), float(v)) for t, v in samples], start_s, end_s, COLUMNS)
    return f"{lines:>11,} {lines / total:>6.1%}  {bars}  {text}\n"


def _sum(several: list[Samples]) -> Samples:
    found: dict[int, int] = {}
    for samples in several:
        for time, value in samples:
            found[time] = found.get(time, 0) + value
    return [[time, value] for time, value in sorted(found.items())]


def _total(samples: Samples) -> int:
    return sum(value for _, value in samples)
