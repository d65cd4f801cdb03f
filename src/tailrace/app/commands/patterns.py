"""`tailrace patterns`: what kinds of lines there are, and how many of each."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from tailrace.app.commands import asking
from tailrace.app.commands.asking import Asking
from tailrace.app.commands.common import complain
from tailrace.app.commands.query import write
from tailrace.client import api
from tailrace.core.errors import QueryError
from tailrace.core.limits import PATTERNS
from tailrace.query import terminal
from tailrace.query.patterns import table
from tailrace.query.times import SECOND_NS, parse_span, parse_time


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
    try:
        end = parse_time(args.until, "--until") if args.until else time.time_ns()
        start = max(end - parse_span(args.since, "--since"), 0)
        server = asking.asking(args)
    except (QueryError, OSError) as error:
        return complain(str(error), 2)
    return write(_pieces(args, start, end, server))


def _pieces(args: argparse.Namespace, start: int, end: int, server: Asking) -> Iterator[str]:
    """A generator, so that what fails does so inside `write`."""
    text = api.logql(args.query)
    # One value for each column of the trend, in whole seconds.
    step = max(-(-(end - start) // (table.COLUMNS * SECOND_NS)), 1) * SECOND_NS
    found = api.patterns(server.url, text, start, end, step, server.token, server.tls)
    if args.format == "json":
        yield terminal.json_text(found) + "\n"
    else:
        yield from table.render(found, start / SECOND_NS, end / SECOND_NS, args.limit)


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= PATTERNS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {PATTERNS}")
    return int(text)
