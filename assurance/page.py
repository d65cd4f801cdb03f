"""`docs/assurance.md` and the tables of `docs/benchmarks.md`, from the register and the record."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.figures import Figure, at_most, shown

from assurance.record import TIMES
from assurance.register import ROOT, limits, promises

PAGE = ROOT / "docs" / "assurance.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made by `make assurance` -->", "<!-- end -->"
README = ROOT / "README.md"
# What the README tells, with the part of the benchmarks and the name of its figure.
HEADLINES = (
    ("ingest over HTTP, zstd, durable acks, archive and guard on", "ingest",
     "until the last ack (client on the same cores)"),
    ("CPU of the server against the bare engine", "ingest", "CPU against the cheaper bare form"),
    ("memory at full speed", "ingest", "memory, peak resident"),
    ("hot store on disk", "ingest", "hot store on disk, after a minute"),
    ("ack at 5,000 rows/s, p99", "latency", "ack, p99"),
    ("acked to visible at 5,000 rows/s, p99", "latency", "acked to visible, p99"),
    ("ack to a line of the live tail, 200 followers, p99", "tail",
     "ack to line, 200 followers, p99"),
    ("one rare word in 2 million rows, p95", "queries", "needle, p95"),
    ("count by level and minute, 2 million rows, p95", "queries", "count by level a minute, p95"),
    ("first rows stored after a restart with 5 GB waiting", "backlog",
     "start to the first rows of the backlog stored"),
    ("OTLP logs to the ack, rows a CPU second", "doors",
     "OTLP/HTTP protobuf logs: rows a CPU second"),
    ("Loki push to the ack, rows a CPU second", "doors", "Loki snappy protobuf: rows a CPU second"),
    ("Elasticsearch `_bulk` to the ack, rows a CPU second", "doors",
     "Elasticsearch _bulk: rows a CPU second"),
    ("remote write to the ack, samples a CPU second", "doors",
     "Prometheus remote write: rows a CPU second"),
    ("syslog over UDP at 100,000/s: lost", "doors", "Syslog over UDP: lost at 100,000/s"),
    ("agent, one file, for each CPU second", "agent", "agent, per CPU second"),
    ("agent, one file: memory", "agent", "agent, peak resident"),
    ("agent, 5% sampling, for each CPU second", "agent", "sampling 5%, per CPU second"),
    ("agent, 100 files at 10 lines/s", "agent", "100 files, 10 lines/s each: share of a core"),
)  # fmt: skip
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


def readme(text: str, record: dict[str, Any]) -> str:
    """`text` with the table of HEADLINES made anew."""
    lines = []
    for said, part, name in HEADLINES:
        found = next((one for one in _read(record["bench"].get(part)) if one.name == name), None)
        if found is not None:
            lines.append(_row(said, found.goal, shown(found.value, found.unit), _met(found)))
    made = _table(_of(record["bench"].get("ingest")), ("what", "goal", "measured", "met"), lines)
    kept = re.escape(f"{BEGIN}\n") + ".*?" + re.escape(END)
    return re.sub(kept, lambda _: f"{BEGIN}\n\n{made}\n{END}", text, flags=re.DOTALL)


def machines(record: dict[str, Any]) -> set[str]:
    """Machines that the figures are of."""
    return {one["machine"] for one in record["bench"].values()}


def span(record: dict[str, Any]) -> timedelta:
    """From the first to the last of the runs that the figures are of."""
    times = [datetime.fromisoformat(one["when"]) for one in record["bench"].values()]
    return max(times, default=datetime.min) - min(times, default=datetime.min)


def _figures(part: dict[str, Any]) -> str:
    lines = (_row(one.name, one.goal, shown(one.value, one.unit), _met(one)) for one in _read(part))
    return _table(_of(part), ("figure", "goal", "measured", "met"), lines)


def _of(part: dict[str, Any] | None) -> str:
    """The machine and the day."""
    if part is None:
        return "Not measured."
    return (
        f"{part['machine']}, {part['cores']} cores, Python {part['python']}, {part['when'][:10]}."
    )


def _read(part: dict[str, Any] | None) -> list[Figure]:
    return [Figure(**one) for one in part["figures"]] if part else []


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
