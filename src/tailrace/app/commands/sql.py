"""`tailrace sql`: ask a running server with SQL."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app.commands import asking, ranges
from tailrace.app.commands.common import complain, save, write
from tailrace.client import api
from tailrace.core.errors import StoreError
from tailrace.query import grid, terminal

FORMATS = ("table", "json", "ndjson", "csv", "arrow", "parquet")
_BINARY = ("arrow", "parquet")


def add_parser(subparsers: Any) -> None:
    """Add the command; its `func` returns the exit code."""
    about = "ask with SQL over the views logs, spans, metrics, series and exemplars"
    parser = subparsers.add_parser("sql", help=about, description=about)
    parser.add_argument("query", metavar="QUERY", help="'SELECT ...', or - to read it from input")
    parser.add_argument("--since", default="1h", help="how far back, such as 15m or 2d")
    parser.add_argument("--start", help="from this time, instead of --since")
    parser.add_argument(
        "--end", dest="until", help="up to this time (RFC 3339 or seconds); now by default"
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="table by default")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the answer to this file")
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the query failed, 2 the command line is wrong."""
    start, end = ranges.range_ns(args, "--end")
    server = asking.server(args)
    if args.format in _BINARY and not args.output and sys.stdout.isatty():
        return complain(f"{args.format} is not for a terminal; use --output FILE", 2)
    query = sys.stdin.read() if args.query == "-" else args.query
    form = "json" if args.format == "table" else args.format
    pieces = api.sql(server, query, start, end, form)
    if args.output:
        save(args.output, pieces if args.format != "table" else _encoded(pieces))
        return 0
    if args.format in _BINARY:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return 0
    return write(_table(pieces) if args.format == "table" else _safe(pieces))


def _table(pieces: Iterator[bytes]) -> Iterator[str]:
    """A generator, so that Ctrl-C while it asks is a quiet end, too."""
    body = b"".join(pieces)
    try:
        found = msgspec.json.decode(body)
        yield from grid.render(found["meta"], found["data"])
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError):
        raise StoreError("the answer is no table; is this a tailrace server?") from None


def _encoded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from (line.encode() for line in _table(pieces))


def _safe(pieces: Iterator[bytes]) -> Iterator[str]:
    """Text line by line: for a terminal invisible characters are escaped, else it is as it came."""
    shown = sys.stdout.isatty()
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            yield (terminal.visible_json(text) if shown else text) + "\n"
    if rest:
        yield rest.decode("utf-8", "replace")
