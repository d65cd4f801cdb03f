"""`tailrace tail`: follow new lines as they arrive."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from tailrace.app.commands import asking
from tailrace.app.commands.common import complain, write
from tailrace.client import api, following
from tailrace.client.following import Dropped, Lost
from tailrace.client.server import Server
from tailrace.core.line import Line
from tailrace.query import terminal


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "follow new log lines"
    parser = subparsers.add_parser(
        "tail",
        help=about,
        description=f"{about}. Connects again when the connection is lost, without repeating "
        "lines; says on standard error how many the server had to drop.",
    )
    parser.add_argument("query", metavar="QUERY", help='\'{service_name="web"} |= "x"\' or words')
    parser.add_argument(
        "--output",
        "--format",
        dest="format",
        choices=terminal.FORMATS,
        default="text",
        help="text by default; json is one array, which Ctrl-C ends",
    )
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 ended by the reader, 1 the query or the first connection failed, 2 usage."""
    return write(_pieces(args, asking.server(args)))


def _pieces(args: argparse.Namespace, server: Server) -> Iterator[str]:
    text = api.logql(args.query)
    found = following.follow(server, text)
    colour = terminal.wants_colour(sys.stdout)
    with contextlib.closing(_lines(found)) as lines:
        for piece in terminal.render(lines, args.format, colour):
            yield piece
            sys.stdout.flush()


def _lines(found: Iterable[Line | Dropped | Lost]) -> Generator[Line, None, None]:
    """The lines, until Ctrl-C; what else there is to say goes to standard error."""
    with contextlib.suppress(KeyboardInterrupt):
        for one in found:
            if isinstance(one, Line):
                yield one
            else:
                sys.stdout.flush()
                complain(said(one), 0)


def said(what: Dropped | Lost) -> str:
    """In words."""
    if isinstance(what, Lost):
        return f"{what.reason}; connecting again in {what.wait_s:g} s"
    if what.reasons:
        return f"{what.lines} lines dropped by the server: {'; '.join(what.reasons)}"
    return f"{what.lines} lines dropped by the server: they were not read in time"
