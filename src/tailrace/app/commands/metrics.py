"""`tailrace metrics`: ask a running server for metrics."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tailrace.app.commands import asking, ranges
from tailrace.app.commands.common import write
from tailrace.client import api
from tailrace.client.server import Server
from tailrace.query import table, terminal
from tailrace.query.times import SECOND_NS


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "ask for metrics with the small part of PromQL, or list them"
    parser = subparsers.add_parser("metrics", help=about, description=about)
    parser.add_argument(
        "query",
        metavar="QUERY",
        nargs="?",
        help="'sum by (cpu) (rate(system_cpu_time[5m]))'; without it the names of all metrics",
    )
    parser.add_argument("--since", default="1h", help="how far back, such as 15m or 2d")
    parser.add_argument("--until", help="up to this time (RFC 3339 or seconds); now by default")
    parser.add_argument("--step", help="time between two values; a 40th of the range by default")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the query failed, 2 the command line is wrong."""
    start, end = ranges.range_ns(args)
    step = ranges.span_ns(args.step, "--step") if args.step else _step(end - start)
    return write(_pieces(args, start, end, step, asking.server(args)))


def _pieces(
    args: argparse.Namespace, start: int, end: int, step: int, server: Server
) -> Iterator[str]:
    """A generator, so that Ctrl-C while it asks is a quiet end, too."""
    if not args.query:
        known = api.metadata(server)
        yield from _json(known) if args.format == "json" else table.names(known)
        return
    series = api.samples(server, args.query, start, end, step)
    shown = table.render(series, start / SECOND_NS, end / SECOND_NS)
    yield from _json(series) if args.format == "json" else shown


def _json(value: object) -> Iterator[str]:
    yield terminal.json_text(value) + "\n"


def _step(range_ns: int) -> int:
    """One value for each column of the trend, in whole seconds."""
    return max(-(-range_ns // (table.COLUMNS * SECOND_NS)), 1) * SECOND_NS
