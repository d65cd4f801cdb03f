"""`tailrace patterns`: what kinds of lines there are, and how many of each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tailrace.app.commands import asking, ranges
from tailrace.app.commands.common import write
from tailrace.client import api
from tailrace.client.server import Server
from tailrace.core.limits import PATTERNS
from tailrace.query import terminal
from tailrace.query.patterns import table
from tailrace.query.times import SECOND_NS


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "group log lines to templates and count them"
    parser = subparsers.add_parser("patterns", help=about, description=about)
    parser.add_argument("query", metavar="QUERY", help="'{service_name=\"web\"}' or words")
    parser.add_argument("--since", default="1h", help="how far back, such as 15m or 2d")
    parser.add_argument("--until", help="up to this time (RFC 3339 or seconds); now by default")
    parser.add_argument("--limit", type=_limit, default=25, help="templates at most")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the query failed, 2 the command line is wrong."""
    start, end = ranges.range_ns(args)
    return write(_pieces(args, start, end, asking.server(args)))


def _pieces(args: argparse.Namespace, start: int, end: int, server: Server) -> Iterator[str]:
    """A generator, so that Ctrl-C while it asks is a quiet end, too."""
    text = api.logql(args.query)
    # One value for each column of the trend, in whole seconds.
    step = max(-(-(end - start) // (table.COLUMNS * SECOND_NS)), 1) * SECOND_NS
    found = api.patterns(server, text, start, end, step)
    if args.format == "json":
        yield terminal.json_text(found) + "\n"
    else:
        yield from table.render(found, start / SECOND_NS, end / SECOND_NS, args.limit)


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= PATTERNS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {PATTERNS}")
    return int(text)
