"""`tailrace rules test`: do rules do what their unit tests expect?"""

from __future__ import annotations

import argparse
import asyncio
import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.core.errors import ConfigError
from tailrace.core.limits import RULE_FILE_BYTES
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.alerts.promtool.suite import Suite
    from tailrace.alerts.rule import Group
    from tailrace.app.ruletesting import Workbench


@dataclass(frozen=True)
class _Ready:
    """A file of tests and the rules that it tests."""

    name: str
    suite: Suite
    groups: Sequence[Group]


def add_parser(actions: Any) -> None:
    """Register the action of `tailrace rules`."""
    about = (
        "run unit tests of rules in the format of promtool, over a store of their own; exit status "
        "1 when one fails"
    )
    test = actions.add_parser("test", help="run unit tests", description=about)
    test.add_argument("files", metavar="FILE", nargs="+", help="a file of unit tests")
    test.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 all pass, 1 something fails or a file is wrong or cannot be read."""
    try:
        import tailrace.app.ruletesting  # noqa: F401  # what is not installed is told at once
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: rules need pip install 'tailrace[server]'"
        ) from None
    found = [_ready(name) for name in args.files]
    ready = [one for one in found if one is not None]
    passed = asyncio.run(_run(ready)) if ready else True
    return int(not passed or len(ready) < len(found))


async def _run(ready: Sequence[_Ready]) -> bool:
    """Whether all pass."""
    from tailrace.app.ruletesting import workbench

    passed = True
    async with workbench() as bench:
        for number, one in enumerate(ready):
            passed &= await _suite(one, bench, f"t{number}")
    return passed


async def _suite(one: _Ready, bench: Workbench, tenant: str) -> bool:
    from tailrace.alerts.promtool.running import failures

    failed = 0
    tests = one.suite.tests
    for number, test in enumerate(tests):
        found = await failures(one.suite, test, one.groups, bench, f"{tenant}-{number}")
        failed += bool(found)
        named = f"{visible(test.name)}: " if test.name else ""
        for failure in found:
            lines = "\n".join(map(visible, failure.message.split("\n")))
            print(f"{visible(one.name)}:{failure.line}: {named}{lines}", file=sys.stderr)
    count = f"{len(tests)} {'test' if len(tests) == 1 else 'tests'}"
    print(f"{visible(one.name)}: {f'{failed} of {count} failed' if failed else f'{count} passed'}")
    return not failed


def _ready(name: str) -> _Ready | None:
    """None when something is wrong, which is told."""
    from tailrace.alerts.promtool import reader

    try:
        reading = reader.read(_text(Path(name)))
    except OSError as error:
        print(f"tailrace: {visible(name)}: {error.strerror or error}", file=sys.stderr)
        return None
    _tell(name, reading.problems)
    if reading.suite is None:
        return None
    groups = _groups(Path(name).parent, reading.suite.rule_files)
    return None if groups is None else _Ready(name, reading.suite, groups)


def _groups(folder: Path, patterns: Sequence[str]) -> list[Group] | None:
    from tailrace.alerts.rules import reader
    from tailrace.alerts.templating.template import check

    groups: list[Group] = []
    wrong = False
    for pattern in patterns:
        # Absolute ones stay what they are.
        paths = sorted(glob.glob(str(folder / pattern)))  # noqa: PTH207
        if not paths:
            print(f"tailrace: no file matches {visible(pattern)}", file=sys.stderr)
            wrong = True
        for path in paths:
            try:
                reading = reader.read(_text(Path(path)), reader.Origin(folder=path), check)
            except OSError as error:
                print(f"tailrace: {visible(path)}: {error.strerror or error}", file=sys.stderr)
                wrong = True
                continue
            _tell(path, reading.problems)
            wrong |= bool(reading.errors)
            groups += reading.groups
    return None if wrong else groups


def _tell(name: str, problems: Sequence[object]) -> None:
    for problem in problems:
        print(f"{visible(name)}:{visible(str(problem))}", file=sys.stderr)


def _text(path: Path) -> bytes:
    """One byte more than the readers take, so that they say what is too long."""
    with path.open("rb") as file:
        return file.read(RULE_FILE_BYTES + 1)
