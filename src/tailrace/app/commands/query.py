"""`tailrace query`: ask a running server from the shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tailrace.app.commands import asking, ranges
from tailrace.app.commands.common import complain, write
from tailrace.client import api
from tailrace.client.server import Server
from tailrace.query import terminal


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "search logs with LogQL or plain words"
    parser = subparsers.add_parser("query", help=about, description=about)
    add_common(parser)
    parser.add_argument("--since", default="1h", help="how far back, such as 15m or 2d")
    parser.add_argument("--start", help="from this time, instead of --since")
    parser.add_argument("--until", help="up to this time (RFC 3339 or seconds); now by default")
    parser.add_argument("--limit", type=_limit, default=100, help="lines at most")
    parser.add_argument("--trace", action="store_true", help="show the trace id of each line")
    parser.add_argument("--forward", action="store_true", help="oldest first")
    parser.add_argument(
        "--exact", action="store_true", help="from the archive, which has what sampling left out"
    )
    parser.set_defaults(func=run)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The arguments that `query` and `tail` share."""
    parser.add_argument("query", metavar="QUERY", help='\'{service_name="web"} |= "x"\' or words')
    parser.add_argument(
        "--format", choices=terminal.FORMATS, default="text", help="text by default"
    )
    asking.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the query failed, 2 the command line is wrong."""
    start, end = ranges.range_ns(args)
    return write(_pieces(args, start, end, asking.server(args)))


def _pieces(args: argparse.Namespace, start: int, end: int, server: Server) -> Iterator[str]:
    """A generator, so that Ctrl-C while it asks is a quiet end, too."""
    exact = "archive" if args.exact else ""
    if "{" in args.query and api.is_metric(args.query):
        series = api.metric(server, args.query, start, end, exact, _Told())
        yield from terminal.render_series(series, args.format)
        return
    direction = "forward" if args.forward else "backward"
    text = api.logql(args.query)
    asked = (server, text, start, end, args.limit, direction)
    found = api.query(*asked, exact, _Told())
    lines = terminal.render(found, args.format, terminal.wants_colour(sys.stdout), args.trace)
    yield from lines if args.format != "text" else _or_a_word(lines)


def _or_a_word(lines: Iterable[str]) -> Iterator[str]:
    """Silence looks like a mistake to a person; it is told where no program reads."""
    empty = True
    for line in lines:
        empty = False
        yield line
    if empty:
        complain("no line matches in this time; what was just sent is found within a second", 0)


class _Told:
    """Says on standard error what the server notes, of the first page of an answer that does."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, note: str) -> None:
        if not self._told:
            complain(note, 0)
        self._told = True


def _limit(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return int(text)
