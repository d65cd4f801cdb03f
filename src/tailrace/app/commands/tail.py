"""`tailrace tail`: follow new lines as they arrive."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from tailrace.app.commands import asking
from tailrace.app.commands.asking import Asking
from tailrace.app.commands.query import add_common, complain, write
from tailrace.client import api
from tailrace.query import terminal


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "follow new log lines"
    parser = subparsers.add_parser("tail", help=about, description=about)
    add_common(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 ended by the reader, 1 the query or the connection failed, 2 usage."""
    if args.format == "json":
        return complain("--format json needs an end, which tail has not; use ndjson", 2)
    try:
        server = asking.asking(args)
    except OSError as error:
        return complain(str(error), 2)
    return write(_pieces(args, server))


def _pieces(args: argparse.Namespace, server: Asking) -> Iterator[str]:
    found = api.tail(server.url, api.logql(args.query), server.token, server.tls)
    colour = terminal.wants_colour(sys.stdout)
    for piece in terminal.render(found, args.format, colour):
        yield piece
        sys.stdout.flush()
