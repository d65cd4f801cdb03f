"""`tailrace queries`: the last slow queries."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tailrace.app.commands import asking
from tailrace.app.commands.common import table, write
from tailrace.core.visible import visible
from tailrace.query.bounds.refusals import size
from tailrace.query.bounds.slow import SlowQuery

_HEADINGS = ("ENDED", "SECONDS", "ROWS", "BYTES", "OUTCOME", "KIND", "QUERY")


class _Answer(msgspec.Struct):
    queries: list[SlowQuery]


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list the last slow queries of a server"
    parser = subparsers.add_parser("queries", help=about, description=about)
    parser.add_argument("--plan", action="store_true", help="show the plan of each, too")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the server cannot be asked, 2 the command line is wrong."""
    server = asking.server(args)
    body = server.get("/api/v1/queries/slow", {})
    found = server.parse(body, _Answer).queries
    if args.format == "json":
        return write([msgspec.json.format(body, indent=2).decode() + "\n"])
    return write(_text(found, args.plan))


def _text(found: Sequence[SlowQuery], plans: bool) -> Iterator[str]:
    if not found:
        yield "no query was slow\n"
        return
    heading, *lines = table([_HEADINGS, *map(_cells, found)])
    yield heading
    for one, line in zip(found, lines, strict=True):
        yield line
        if plans and one.plan:
            yield "".join(f"    {visible(part)}\n" for part in one.plan.split("\n"))


def _cells(one: SlowQuery) -> Sequence[str]:
    ended = datetime.fromtimestamp(one.time_ns // 10**9, UTC)
    cells = (
        f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        f"{one.seconds:.1f}",
        f"{one.read_rows:,}",
        size(one.read_bytes),
        one.outcome,
        one.kind,
        one.query,
    )
    return [visible(cell) for cell in cells]
