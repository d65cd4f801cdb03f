"""`tailrace rules check`: is a rule file right, and in which languages are its rules?

`tailrace rules test` is in ruletests.py.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.app.commands import ruletests
from tailrace.core.errors import ConfigError
from tailrace.core.limits import RULE_FILE_BYTES
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.alerts.rules.reader import Reading

_SHOWN = {"promql": "PromQL", "logql": "LogQL", "sql": "SQL"}


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "check and test files of alerting and recording rules"
    parser = subparsers.add_parser("rules", help=about, description=about)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = (
        "read rule files of Prometheus or Loki and report every mistake with its line and column; "
        "exit status 1 when there is one"
    )
    check = actions.add_parser("check", help="report what is wrong", description=about)
    check.add_argument("files", metavar="FILE", nargs="+", help="a rule file; - for standard input")
    check.add_argument(
        "--language",
        choices=("promql", "logql"),
        help="of expressions that both could be; docs/rules.md says what else decides",
    )
    check.add_argument(
        "--print", action="store_true", help="print the rules as they were read, as YAML"
    )
    check.set_defaults(func=run_check)
    ruletests.add_parser(actions)


def run_check(args: argparse.Namespace) -> int:
    """0 all are right, 1 something is wrong or a file cannot be read."""
    try:
        from tailrace.alerts.rules import reader, writer
        from tailrace.alerts.templating.template import check
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: rules need pip install 'tailrace[server]'"
        ) from None
    counted: Counter[str] = Counter()
    wrong = False
    for name in args.files:
        try:
            text = _text(name)
        except OSError as error:
            print(f"tailrace: {visible(name)}: {error.strerror or error}", file=sys.stderr)
            wrong = True
            continue
        reading = reader.read(text, reader.Origin(folder=name, language=args.language), check)
        wrong |= _report(name, reading)
        counted.update(rule.language for group in reading.groups for rule in group.rules)
        if args.print and not reading.errors:
            print(writer.write_file(reading.groups, name, args.language), end="")
    if not wrong:
        print(_summary(counted), file=sys.stderr if args.print else sys.stdout)
    return int(wrong)


def _text(name: str) -> bytes:
    """One byte more than the reader takes, so that it says what is too long."""
    if name == "-":
        return sys.stdin.buffer.read(RULE_FILE_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(RULE_FILE_BYTES + 1)


def _report(name: str, reading: Reading) -> bool:
    """Whether there are errors."""
    shown = "standard input" if name == "-" else visible(name)
    for problem in reading.problems:
        print(f"{shown}:{visible(str(problem))}", file=sys.stderr)
    return bool(reading.errors)


def _summary(counted: Counter[str]) -> str:
    total = counted.total()
    if not total:
        return "no rules"
    parts: Iterable[str] = (f"{counted[one]} {_SHOWN[one]}" for one in _SHOWN if counted[one])
    return f"{total} {'rule' if total == 1 else 'rules'}: {', '.join(parts)}"
