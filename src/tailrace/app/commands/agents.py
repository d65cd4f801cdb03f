"""`tailrace agents`: the fleet at a glance."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tailrace.app.commands import asking
from tailrace.app.commands.common import size, span, table, write
from tailrace.core import limits
from tailrace.core.fleet import Announcement, State
from tailrace.core.visible import visible

_HEADINGS = (
    "HOST", "VERSION", "STATE", "SINCE", "INPUTS", "LAG", "SPOOL", "CPU", "MEMORY", "LOST", "SOURCE"
)  # fmt: skip


class _Row(msgspec.Struct):
    """What is used of governance.fleet.Agent."""

    source: str
    state: State
    since_ns: int
    lost_rows: int
    announcement: Announcement


class _Answer(msgspec.Struct):
    agents: list[_Row]
    counts: dict[str, int]
    truncated: bool


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list the agents that a server knows, and how each is"
    parser = subparsers.add_parser("agents", help=about, description=about)
    asking.add_arguments(parser)
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    parser.add_argument(
        "--silent",
        action="store_true",
        help="only agents that ended without a word; exit status 1 when there is one",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 with --silent when an agent is silent, or the server cannot be asked."""
    server = asking.server(args)
    asked = {"state": "silent" if args.silent else "", "limit": limits.AGENTS_PER_TENANT}
    body = server.get("/api/v1/agents", asked)
    answer = server.parse(body, _Answer)
    if args.format == "json":
        status = write([msgspec.json.format(body, indent=2).decode() + "\n"])
    else:
        status = write(_text(answer))
    return 1 if args.silent and answer.agents else status


def _text(answer: _Answer) -> Iterator[str]:
    """A table, and a line that sums it up."""
    if answer.agents:
        yield from table([_HEADINGS, *(_cells(row) for row in answer.agents)])
    counts = [f"{count} {state}" for state, count in sorted(answer.counts.items())]
    yield f"{', '.join(counts) or 'no agent was heard of'}\n"
    if answer.truncated:
        yield "there are more than are listed\n"


def _cells(row: _Row) -> Sequence[str]:
    said = row.announcement
    spool = size(said.spool_bytes)
    cells = (
        said.host or "-",
        said.version,
        row.state.upper() if row.state in ("silent", "late") else row.state,
        _time(row.since_ns),
        str(said.inputs_total),
        _lag(said),
        f"{spool} {span(said.spool_age_s)}" if said.spool_age_s >= 1 else spool,
        f"{said.cpu_share:.1%}",
        size(said.resident_bytes),
        str(row.lost_rows),
        row.source,
    )
    return [visible(cell) for cell in cells]


def _lag(said: Announcement) -> str:
    """What the inputs together have not read, and for how long at most."""
    lag = sum(report.lag_bytes or 0 for report in said.inputs)
    age_s = max((report.lag_s or 0.0 for report in said.inputs), default=0.0)
    return f"{size(lag)} {span(age_s)}" if lag else "0"


def _time(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(nanoseconds // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
