"""`docs/assurance.md` and the tables of `docs/benchmarks.md`, from the register and the record."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, at_most, shown

from assurance.record import TIMES
from assurance.register import ROOT, limits, promises

PAGE = ROOT / "docs" / "assurance.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made by `make assurance` -->", "<!-- end -->"
HEAD = """\
# Assurance

What tailrace promises, what shows it, and what the last run said. `make assurance` makes this page
from `assurance/`: promises and limits with their tests, and the record of runs of `make test`,
`make soak` and `make bench`. A test is all of its cases. *Day* is that of the run.
"""


def assurance(record: dict[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD]
    for area, found in itertools.groupby(promises(), lambda one: one.area):
        lines = (_row(one.says, *_tests(one.shown_by, record)) for one in found)
        parts.append(_table(f"## {area}", ("promise", "shown by", "last", "day"), lines))
    parts.append(_table("## Figures", ("figure", "goal", "measured", "met", "day"), _goals(record)))
    bounds = (
        _row(f"`{one.name}`", one.value, one.reason, *_tests(one.shown_by, record))
        for one in limits()
    )
    columns = ("limit", "value", "why", "shown by", "last", "day")
    parts.append(_table("## Limits", columns, bounds))
    return "\n".join(parts)


def benchmarks(text: str, record: dict[str, Any]) -> str:
    """`text` with the table of each part between its marks made anew."""

    def anew(found: re.Match[str]) -> str:
        part = found[1]
        if part not in record["bench"]:
            return found[0]
        return f"{BEGIN}\n<!-- part {part} -->\n\n{_figures(record['bench'][part])}\n{END}"

    return re.sub(rf"{BEGIN}\n<!-- part ([\w-]+) -->\n.*?{END}", anew, text, flags=re.DOTALL)


def parts(text: str) -> list[str]:
    """Parts of the benchmarks that the page has a table of."""
    return re.findall(rf"{BEGIN}\n<!-- part ([\w-]+) -->", text)


def machines(record: dict[str, Any]) -> set[tuple[str, str]]:
    """Machines and days that the figures are of."""
    return {(one["machine"], one["when"][:10]) for one in record["bench"].values()}


def _figures(part: dict[str, Any]) -> str:
    lines = (_row(one.name, one.goal, shown(one.value, one.unit), _met(one)) for one in _read(part))
    said = (
        f"{part['machine']}, {part['cores']} cores, Python {part['python']}, {part['when'][:10]}."
    )
    return _table(said, ("figure", "goal", "measured", "met"), lines)


def _read(part: dict[str, Any]) -> list[Figure]:
    return [Figure(**one) for one in part["figures"]]


def _goals(record: dict[str, Any]) -> Iterator[str]:
    for script, taken in sorted(record["times"].items()):
        what, most = TIMES[script]
        one = at_most(what, taken["seconds"], "s", most)
        yield _row(one.name, one.goal, shown(one.value, one.unit), _met(one), taken["when"])
    for name, part in record["bench"].items():
        for one in _read(part):
            if one.goal:
                figure = f"{name}: {one.name}"
                measured = shown(one.value, one.unit)
                yield _row(figure, one.goal, measured, _met(one), part["when"][:10])


def _met(figure: Figure) -> str:
    return "" if figure.met is None else "yes" if figure.met else "**no**"


def _tests(names: Sequence[str], record: dict[str, Any]) -> tuple[str, str, str]:
    """Links to tests, what they said, and on which days."""
    said = [record["tests"].get(name, {}) for name in names]
    return (
        "<br>".join(map(_link, names)),
        "<br>".join(_said(one) for one in said),
        "<br>".join(_day(one) for one in said),
    )


def _link(name: str) -> str:
    path, _, test = name.partition("::")
    return f"[{test.removeprefix('test_').replace('_', ' ')}](../{path})"


def _said(runs: dict[str, Any]) -> str:
    return "; ".join(
        f"{'soak: ' if run == 'soak' else ''}{one['outcome']}"
        + (f", {one['cases']:,} cases" if one["cases"] > 1 else "")
        for run, one in sorted(runs.items(), reverse=True)
    )


def _day(runs: dict[str, Any]) -> str:
    """The earliest: so old is what is known."""
    return min((one["when"] for one in runs.values()), default="")


def _table(head: str, columns: Sequence[str], lines: Iterable[str]) -> str:
    return "\n".join([head, "", _row(*columns), "|" + "---|" * len(columns), *lines, ""])


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def write(path: Path, text: str) -> None:
    """Only where it differs."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
