"""`tailrace trace`: ask a running server for one trace."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tailrace.app.commands import asking
from tailrace.app.commands.common import complain, write
from tailrace.client import api
from tailrace.client.server import Server
from tailrace.core.errors import QueryError
from tailrace.query import terminal
from tailrace.query.traces import tree
from tailrace.query.traces.ids import spellings


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "print the spans of one trace as a tree"
    parser = subparsers.add_parser("trace", help=about, description=about)
    parser.add_argument("trace_id", metavar="TRACE_ID", help="up to 32 hexadecimal digits")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    parser.add_argument("--logs", action="store_true", help="with its log lines")
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the query failed or no span has this id, 2 the command line is wrong."""
    try:
        spellings(args.trace_id)
    except QueryError as error:
        return complain(str(error), 2)
    return write(_pieces(args, asking.server(args)))


def _pieces(args: argparse.Namespace, server: Server) -> Iterator[str]:
    """A generator, so that Ctrl-C while it asks is a quiet end, too."""
    found = api.trace(server, args.trace_id)
    logs: dict[str, Any] = {"lines": [], "warnings": None}
    if args.logs:
        logs = api.trace_logs(server, args.trace_id)
    if args.format == "json":
        yield terminal.json_text({"trace": found, "logs": logs} if args.logs else found) + "\n"
    else:
        yield from tree.render(found, logs["lines"], logs["warnings"] or ())
