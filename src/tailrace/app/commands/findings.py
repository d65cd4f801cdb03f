"""`tailrace findings`: who logs personal and payment data, for people, programs and code review."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import sarif
from tailrace.app.commands import asking
from tailrace.app.commands.common import complain, save, table, write
from tailrace.client.server import Server
from tailrace.core import limits
from tailrace.core.finding import Item
from tailrace.core.visible import visible

_FIELD_CHARS = 60
_HEADINGS = (
    "LAST SEEN", "SERVICE", "VERSION", "WHAT", "WHERE", "DONE", "HITS", "LAST HOUR", "FIRST SEEN",
    "STATE",
)  # fmt: skip


class _Answer(msgspec.Struct):
    findings: list[Item]
    truncated: bool


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list what the guard found: who logs personal and payment data, and where"
    parser = subparsers.add_parser("findings", help=about, description=about)
    parser.add_argument("--since", default="24h", help="hit since then, such as 15m or 7d")
    parser.add_argument("--service", default="", metavar="NAME", help="only of this service")
    parser.add_argument("--environment", default="", metavar="NAME", help="only of this one")
    parser.add_argument("--detector", default="", metavar="NAME", help="only of this detector")
    parser.add_argument("--alerting", action="store_true", help="only those that alert")
    parser.add_argument(
        "--fail", action="store_true", help="exit status 1 when one that is listed alerts"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--sarif", action="store_true", help="print SARIF 2.1.0")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead")
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 with --fail when something alerts, or the server cannot be asked, 2 a file cannot
    be used."""
    server = asking.server(args)
    body = _ask(server, args)
    answer = server.parse(body, _Answer)
    text = "".join(_text(answer)) if not (args.json or args.sarif) else _form(body, answer, args)
    if args.output:
        save(args.output, [text.encode()])
    if answer.truncated:
        complain("there are more than are listed; --since, --service or --detector give fewer", 0)
    status = 0 if args.output else write([text])
    return 1 if args.fail and any(row.alerting for row in answer.findings) else status


def _ask(server: Server, args: argparse.Namespace) -> bytes:
    """The answer's bytes. Raises QueryError, StoreError."""
    asked = {
        "since": args.since,
        "service": args.service,
        "environment": args.environment,
        "detector": args.detector,
        "alerting": "true" if args.alerting else "",
        "limit": limits.FINDING_PLACES,
    }
    return server.get("/api/v1/findings", asked)


def _form(body: bytes, answer: _Answer, args: argparse.Namespace) -> str:
    if args.json:
        return msgspec.json.format(body, indent=2).decode() + "\n"
    titles = {row.detector: row.title for row in answer.findings}
    rules = [_rule(detector, titles[detector]) for detector in sorted(titles)]
    return sarif.document(rules, map(_result, answer.findings)).decode()


def _rule(detector: str, title: str) -> sarif.Rule:
    return sarif.Rule(
        detector,
        f"{title[:1].upper()}{title[1:]} in logs",
        f"Leave {title} out of what is logged, or log what names the case without them. "
        "The guard takes them out of what it is sent; other copies of the log keep them.",
    )


def _result(row: Item) -> sarif.Result:
    file, _, line = row.code.rpartition(":")
    if not (file and line.isascii() and line.isdigit()):
        file, line = "", "0"
    level: sarif.Level = "error" if row.alerting else "warning"
    shown = (
        "version",
        "environment",
        "action",
        "hits",
        "hits_last_hour",
        "first_seen",
        "last_seen",
    )
    return sarif.Result(
        rule=row.detector,
        level="note" if row.action == "approved" else level,
        message=row.sentence,
        fingerprint=row.id,
        path=file,
        line=int(line),
        logical="/".join(filter(None, (row.service, row.field))),
        properties={name: getattr(row, name) for name in shown},
    )


def _text(answer: _Answer) -> Iterator[str]:
    """A table, and a line that sums it up."""
    if answer.findings:
        yield from table([_HEADINGS, *(_cells(row) for row in answer.findings)])
    alerting = sum(row.alerting for row in answer.findings)
    yield f"{len(answer.findings)} found, {alerting} alerting\n" if answer.findings else "none\n"


def _cells(row: Item) -> list[str]:
    field = row.field if len(row.field) <= _FIELD_CHARS else row.field[: _FIELD_CHARS - 1] + "…"
    cells = (
        row.last_seen,
        row.service or "-",
        row.version or "-",
        row.title,
        row.code or field or "-",
        row.action,
        f"{row.hits:,}",
        f"{row.hits_last_hour:,}",
        row.first_seen,
        "ALERT" if row.alerting else "",
    )
    return [visible(cell) for cell in cells]
