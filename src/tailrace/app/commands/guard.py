"""`tailrace guard test` and `tailrace guard audit`."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tailrace.app.commands import asking, common
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible

# What a rule leaves as it is, is meant to be there.
_MEANT = ("alert_only", "approved")
_KEY = secrets.token_bytes(32)


class _Leak(msgspec.Struct):
    place: str
    detector: str
    treatment: str
    hits: int
    rows: int
    first_ns: int
    last_ns: int
    fields: dict[str, int]


class _Report(msgspec.Struct):
    since_ns: int
    rows: dict[str, int]
    found: list[_Leak]


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "see what the guard takes out of lines, and whether anything got past it"
    parser = subparsers.add_parser("guard", help=about, description=about)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = (
        "show what would become of each line of FILE, and why; nothing is sent, and the pseudonyms "
        "are made with a key that is thrown away"
    )
    test = actions.add_parser("test", help="show what would become of lines", description=about)
    test.add_argument("file", metavar="FILE", help="lines or NDJSON; - for standard input")
    test.add_argument("--service", default="", help="service.name of the lines, for the rules")
    test.add_argument("--environment", default="", help="deployment.environment of the lines")
    test.add_argument("--all", action="store_true", help="lines in which nothing is found, too")
    test.add_argument("--fail", action="store_true", help="exit status 1 when anything is found")
    common.add_config(test)
    test.set_defaults(func=run_test)
    about = (
        "read back a sample of what the server has stored, hot and archived, and report what the "
        "detectors of today find in it; exit status 1 when there is something"
    )
    audit = actions.add_parser("audit", help="look for what got past", description=about)
    asking.add_arguments(audit)
    audit.add_argument("--since", default="1d", metavar="SPAN", help="1d by default")
    audit.add_argument("--rows", type=int, default=20_000, help="of each table; 20000 by default")
    audit.add_argument("--format", choices=("text", "json"), default="text")
    audit.set_defaults(func=run_audit)


def run_test(args: argparse.Namespace) -> int:
    """0 done, 1 with --fail when anything is found."""
    config = common.load(args)
    try:
        from tailrace.guard.cleaner import Cleaner
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: the guard needs pip install 'tailrace[server]'"
        ) from None
    cleans = Cleaner(config.guard)
    found = 0
    with contextlib.ExitStack() as held:
        plain = args.file == "-"
        source = sys.stdin.buffer if plain else held.enter_context(Path(args.file).open("rb"))
        for number, line in enumerate(_lines(source), 1):
            found += _show(cleans, number, line, args)
    print(f"{found} values found" if found != 1 else "1 value found", file=sys.stderr)
    return 1 if found and args.fail else 0


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Without their ends; what is longer than a gateway takes is cut as it would be."""
    while line := source.readline(limits.LINE_BYTES):
        rest = line
        while not rest.endswith(b"\n") and (rest := source.readline(limits.LINE_BYTES)):
            pass
        yield line.rstrip(b"\r\n")


def _show(cleans: Any, number: int, line: bytes, args: argparse.Namespace) -> int:
    from tailrace.core.frame import Codec, Header

    resource = {"service.name": args.service, "deployment.environment": args.environment}
    codec = Codec.RECORDS if _is_record(line) else Codec.LINES
    header = Header(
        "test", "test", 0, 0, 1, len(line), 0, 0, codec=codec,
        resource={key: value for key, value in resource.items() if value},
    )  # fmt: skip
    keys = {kind: _KEY for kind in cleans.kinds}
    cleaned = cleans.clean(header, line, keys)
    if not cleaned.found and not args.all:
        return 0
    text = "(dropped)" if cleaned.dropped else visible(cleaned.data.decode(errors="replace"))
    print(f"{number}: {text}")
    for place, hits in cleaned.found.items():
        times = f", {hits} times" if hits > 1 else ""
        at = f" at {place.code}" if place.code else ""
        print(f"    {place.detector}: {place.action}{times}, in {visible(place.field)}{at}")
    return sum(cleaned.found.values())


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def run_audit(args: argparse.Namespace) -> int:
    """0 nothing is there, 1 something is or the server cannot be asked."""
    asked = {"since": args.since, "rows": args.rows}
    server = asking.server(args)
    report = server.parse(server.get("/api/v1/guard/audit", asked, limits.AUDIT_S), _Report)
    if args.format == "json":
        # tailrace: allow[TR006] the report is what was asked for, and its size is bounded
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print("\n".join(_text(report)))
    return 1 if any(leak.treatment not in _MEANT for leak in report.found) else 0


def _text(report: _Report) -> Iterator[str]:
    for place, rows in report.rows.items():
        yield f"looked at {rows} rows of {place}"
    if not report.found:
        yield "nothing found"
    for leak in report.found:
        first = datetime.fromtimestamp(leak.first_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        fields = ", ".join(visible(name) for name in list(leak.fields)[:3])
        left = f" (left by rule: {leak.treatment})" if leak.treatment in _MEANT else ""
        yield (
            f"{leak.detector}: {leak.hits} values in {leak.rows} rows of {leak.place}, first taken "
            f"in {first} UTC, in {fields}{left}"
        )
