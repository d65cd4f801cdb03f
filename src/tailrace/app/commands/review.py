"""`tailrace review`: logging code that would log what it must not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import sarif
from tailrace.app.commands.common import complain, save
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible
from tailrace.guard.review.files import files
from tailrace.guard.review.review import Remark, review
from tailrace.guard.review.rules import RULES


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "find statements in Python source that would log secrets or personal data"
    parser = subparsers.add_parser("review", help=about, description=about)
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path, help="files or directories")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument("--output", metavar="FILE", type=Path, help="instead of standard output")
    parser.add_argument("--select", action="append", default=[], metavar="RULE", help="only these")
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="not these")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="paths or names to pass over"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 nothing was found, 1 something was, 2 it could not be looked for."""
    for rule in (*args.select, *args.ignore):
        if rule not in RULES:
            raise ConfigError(f"{rule!r} is no rule; there are {', '.join(RULES)}")
    try:
        found = [
            remark
            for path in files(args.paths, args.exclude)
            for remark in review(path, str(path))
            if remark.rule not in args.ignore and (not args.select or remark.rule in args.select)
        ]
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}", 2)
    _write(args.output, _FORMS[args.format](found))
    return 1 if any(_counts(remark) for remark in found) else 0


def _counts(remark: Remark) -> bool:
    return not remark.allowed and RULES[remark.rule].level == "error"


def _write(path: Path | None, text: str) -> None:
    if path:
        save(path, [text.encode()])
    else:
        sys.stdout.write(text)


def _text(found: Sequence[Remark]) -> str:
    lines = [
        f"{one.path}:{one.line}:{one.column}: {one.rule} {RULES[one.rule].title}: "
        f"{visible(one.message)}"
        for one in found
        if not one.allowed
    ]
    allowed = sum(1 for one in found if one.allowed)
    counted = sum(1 for one in found if _counts(one))
    lines.append(f"{counted} found, {allowed} allowed")
    return "\n".join(lines) + "\n"


def _json(found: Sequence[Remark]) -> str:
    return (
        msgspec.json.format(
            msgspec.json.encode([one._asdict() for one in found]), indent=2
        ).decode()
        + "\n"
    )


def _sarif(found: Sequence[Remark]) -> str:
    rules = [sarif.Rule(name, rule.title, rule.help, rule.level) for name, rule in RULES.items()]
    return sarif.document(rules, _results(found)).decode() + "\n"


def _results(found: Sequence[Remark]) -> Iterator[sarif.Result]:
    times: dict[str, int] = {}
    for one in found:
        # The same wherever the line moves to; of equal ones in a file the second is another.
        said = f"{one.rule} {one.path} {one.message}"
        times[said] = times.get(said, 0) + 1
        yield sarif.Result(
            rule=one.rule,
            level=RULES[one.rule].level,
            message=f"{RULES[one.rule].title}: {one.message}. {RULES[one.rule].help}",
            fingerprint=sha256(f"{said} {times[said]}".encode()).hexdigest()[:32],
            path=one.path,
            line=one.line,
            column=one.column,
            suppressed=one.allowed,
        )


_FORMS = {"text": _text, "json": _json, "sarif": _sarif}
