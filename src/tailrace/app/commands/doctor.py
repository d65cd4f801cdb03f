"""`tailrace doctor`: what is wrong with a data directory, and what to do."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.app.commands import common
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.app.doctor.finding import Finding


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = (
        "look at the data directory of a stopped server, say what is wrong and what to do; it "
        "changes nothing"
    )
    parser = subparsers.add_parser(
        "doctor", help="say what is wrong with a data directory", description=about
    )
    parser.add_argument("--data", type=Path, metavar="DIRECTORY", help="instead of server.data_dir")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text by default"
    )
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 nothing is wrong, 1 something is, 2 the command line is wrong or a server runs."""
    from tailrace.app.agent import archive
    from tailrace.app.doctor.examination import examine
    from tailrace.app.doctor.finding import Place

    config = common.load(args)
    data = (args.data or Path(config.server.data_dir)).resolve()
    if not data.is_dir():
        raise ConfigError(f"there is no directory {data}; name one with --data")
    with _alone(data):
        found = list(examine(Place(data, archive(config, data).resolve(), config)))
    if args.format == "json":
        common.print_json(found)
    else:
        common.write(_text(data, found))
    return int(any(one.level == "wrong" for one in found))


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """No server runs in `data` meanwhile. Makes no file. Raises ConfigError."""
    path = data / "lock"
    if not path.exists():  # no server ever ran in it
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(f"a server runs in {data}; stop it first") from None
    finally:
        os.close(descriptor)


def _text(data: Path, found: Sequence[Finding]) -> Iterator[str]:
    for one in found:
        words = (f"{one.level}: {one.part}: {one.wrong}", f"means: {one.means}", f"do: {one.todo}")
        yield f"{'; '.join(map(visible, words))}\n"
    if not any(one.level == "wrong" for one in found):
        yield f"nothing is wrong with {visible(str(data))}\n"
