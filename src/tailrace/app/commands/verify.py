"""`tailrace verify`: whether everything that came is where it belongs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tailrace.app.commands import asking
from tailrace.app.commands.common import table, write
from tailrace.client.server import Server
from tailrace.core.ledger import Differing
from tailrace.core.ledgerreport import Amount, DeepReport, Line, Report
from tailrace.core.visible import visible

# Longer than a server takes.
DEEP_S = 1_300.0
_DEEP_HEADINGS = ("SOURCE", "EPOCH", "FRAME", "HOT", "ARCHIVED", "ROWS")
_HEADINGS = (
    "SOURCE", "SENT", "RECEIVED", "HOT", "ARCHIVED", "TWICE", "IN FLIGHT", "UNEXPLAINED", "WHY"
)  # fmt: skip


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "verify that all that was sent is stored and archived, or say what became of it"
    parser = subparsers.add_parser("verify", help=about, description=about)
    asking.add_arguments(parser)
    parser.add_argument(
        "--since",
        default="1d",
        metavar="SPAN",
        help="how far back, such as 1d, which is the default",
    )
    parser.add_argument("--source", default="", help="of this one alone")
    parser.add_argument(
        "--by", choices=("minute", "hour", "day"), default="", help="in steps of so long"
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="count and compare the rows themselves, of frames of the last days",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 all is explained, 1 when something is not, or the server cannot be asked."""
    server = asking.server(args)
    if args.deep:
        return _deep(server, args)
    asked = {"since": args.since, "source": args.source, "by": args.by}
    body = server.get("/api/v1/ledger", {name: text for name, text in asked.items() if text})
    report = server.parse(body, Report)
    if args.format == "json":
        status = write([msgspec.json.format(body, indent=2).decode() + "\n"])
    else:
        status = write(_text(report))
    return 1 if report.unexplained.frames or report.unexplained.rows else status


def _deep(server: Server, args: argparse.Namespace) -> int:
    asked = {"since": args.since} | ({"source": args.source} if args.source else {})
    body = server.get("/api/v1/ledger/deep", asked, DEEP_S)
    report = server.parse(body, DeepReport)
    if args.format == "json":
        status = write([msgspec.json.format(body, indent=2).decode() + "\n"])
    else:
        status = write(_deep_text(report))
    return 1 if report.differing else status


def _deep_text(report: DeepReport) -> Iterator[str]:
    if report.differing:
        yield from table([_DEEP_HEADINGS, *map(_frame, report.differing)])
    many = "at least " if report.truncated else ""
    yield (
        f"{many}{len(report.differing)} of {report.frames} frames differ, with {report.rows} rows\n"
    )


def _frame(one: Differing) -> Sequence[str]:
    return [
        visible(one.source),
        str(one.epoch),
        str(one.seq),
        f"{one.hot} of {one.hot_recorded}",
        f"{one.archived} of {one.archived_recorded}",
        "say something else" if one.altered else "",
    ]


def _text(report: Report) -> Iterator[str]:
    """A table, and a line that sums it up."""
    if report.sources:
        yield from table([_HEADINGS, *(_cells(line) for line in report.sources)])
    for place, reasons in sorted(report.deleted.items()):
        said = ", ".join(f"{rows} {reason}" for reason, rows in sorted(reasons.items()))
        yield f"rows that have left {visible(place)} since: {visible(said)}\n"
    found = report.unexplained
    if found.frames or found.rows:
        yield f"UNEXPLAINED: {found.rows} rows, {found.frames} frames\n"
    else:
        yield f"0 unexplained of {sum(line.received.rows for line in report.sources)} rows\n"
    if report.truncated:
        yield "there are more lines than are listed\n"


def _cells(line: Line) -> Sequence[str]:
    why = [f"{rows} {reason.replace('_', ' ')}" for reason, rows in line.reasons.items()]
    if line.waiting_frames:
        why.append(f"{line.waiting_frames} frames wait at the agent")
    if line.unexplained.missing_frames:
        why.append(f"{line.unexplained.missing_frames} frames are missing")
    cells = (
        line.source,
        _rows(line.sent),
        *(_rows(one) for one in (line.received, line.stored_hot, line.archived, line.duplicates)),
        _rows(line.in_flight),
        _unexplained(line),
        ", ".join(why),
    )
    return [visible(cell) for cell in cells]


def _rows(amount: Amount | None) -> str:
    return "-" if amount is None else str(amount.rows)


def _unexplained(line: Line) -> str:
    found = line.unexplained
    if not found.frames and not found.rows:
        return "0"
    return f"{found.rows} rows, {found.frames} frames"
