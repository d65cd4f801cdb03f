"""`tailrace space`: how full the disks of a server are, who uses them, when they will be full."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tailrace.app.commands import asking
from tailrace.app.commands.common import size, span, table, write
from tailrace.core.visible import visible

_HEADINGS = ("PLACE", "SIZE", "FREE", "LEVEL", "WAITS", "GROWTH", "FULL IN", "DIRECTORY")
_USED = ("USED BY", "BYTES")


class _Place(msgspec.Struct):
    name: str
    path: str
    size_bytes: int
    free_bytes: int
    level: str
    refused: dict[str, float]
    growth_bytes_per_day: int | None
    full_s: float | None


class _Used(msgspec.Struct):
    what: str
    bytes: int
    table: str
    complete: bool


class _Answer(msgspec.Struct):
    places: list[_Place]
    used: list[_Used]


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "say how full the disks of a server are, who uses them, and when they will be full"
    parser = subparsers.add_parser("space", help=about, description=about)
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the server cannot be asked, 2 the command line is wrong."""
    server = asking.server(args)
    body = server.get("/api/v1/space", {})
    answer = server.parse(body, _Answer)
    if args.format == "json":
        return write([msgspec.json.format(body, indent=2).decode() + "\n"])
    return write(_text(answer))


def _text(answer: _Answer) -> Iterator[str]:
    yield from table([_HEADINGS, *map(_cells, answer.places)])
    yield "\n"
    yield from table([_USED, *map(_user, answer.used)])


def _cells(place: _Place) -> Sequence[str]:
    waits = [f"{lane} {part:.0%}" for lane, part in place.refused.items() if part]
    growth = place.growth_bytes_per_day
    cells = (
        place.name,
        size(place.size_bytes),
        size(place.free_bytes),
        place.level.upper() if place.level != "enough" else place.level,
        ", ".join(waits) or "-",
        "-" if growth is None else f"{size(growth)}/d",
        "-" if place.full_s is None else span(place.full_s),
        place.path,
    )
    return [visible(cell) for cell in cells]


def _user(used: _Used) -> Sequence[str]:
    more = "" if used.complete else " at least"
    return [visible(f"{used.what} {used.table}".strip()), size(used.bytes) + more]
