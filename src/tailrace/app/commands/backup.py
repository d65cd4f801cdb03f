"""`tailrace backup`: a backup of a running server, or of the directory of one that is stopped."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tailrace.app.commands import asking, common
from tailrace.app.config import Config
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.app.backup.moment import Places

_PATH = "/api/v1/backups"
_POLL_S = 0.2
_HEADINGS = ("NAME", "MADE", "EXPIRES", "FILES", "MB", "ARCHIVE", "TAILRACE")
# Under a data directory that nobody uses, beside what is always copied.
_BESIDE = ("limits.json", "agent")


class _State(msgspec.Struct):
    name: str
    state: Literal["running", "done", "failed"]
    bytes: int
    total_bytes: int
    error: str = ""


class _Kept(msgspec.Struct):
    name: str
    made_ns: int
    expires_ns: int
    bytes: int
    files: int
    archive: bool
    tailrace: str
    error: str = ""


class _Listed(msgspec.Struct):
    backups: list[_Kept]
    last: _State | None = None


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = (
        "make a backup of hot data, archive and control store: a running server makes it in its "
        "backup.directory; with --stopped this command makes it"
    )
    parser = subparsers.add_parser(
        "backup", help="make a backup of a server, running or stopped", description=about
    )
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="its name; with --stopped its path"
    )
    parser.add_argument("--list", action="store_true", help="list the backups that there are")
    parser.add_argument("--keep", metavar="TIME", help="how long it is to be kept, such as 90d")
    parser.add_argument("--without-archive", action="store_true", help="leave the archive out")
    parser.add_argument(
        "--full", action="store_true", help="copy everything; link nothing to the one before"
    )
    parser.add_argument("--stopped", action="store_true", help="no server runs in the directory")
    parser.add_argument("--data", type=Path, metavar="DIRECTORY", help="instead of server.data_dir")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asking.add_arguments(parser)
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 no backup was made, 2 the command line or a setting is wrong."""
    if args.keep is not None:
        try:
            common.seconds(args.keep)
        except argparse.ArgumentTypeError as error:
            return common.complain(f"--keep: {error}", 2)
    if args.stopped:
        if args.list or not args.name:
            return common.complain("--stopped: say where the backup is to be: a path", 2)
        return _stopped(args)
    if args.data or args.config:
        return common.complain("--data and --config are for --stopped: no server is asked then", 2)
    return _list(args) if args.list else _ask(args)


def _list(args: argparse.Namespace) -> int:
    server = asking.server(args)
    found = server.parse(server.get(_PATH, {}), _Listed).backups
    if args.json:
        common.print_json(found)
        return 0
    if not found:
        print("there is no backup", file=sys.stderr)
        return 0
    return common.write(common.table([_HEADINGS, *map(_cells, found)]))


def _cells(one: _Kept) -> Sequence[str]:
    if one.error:
        return (visible(one.name), visible(one.error), *([""] * (len(_HEADINGS) - 2)))
    return (
        visible(one.name),
        common.time_text(one.made_ns),
        common.time_text(one.expires_ns),
        f"{one.files:,}",
        f"{one.bytes / 1e6:,.1f}",
        "yes" if one.archive else "no",
        visible(one.tailrace),
    )


def _ask(args: argparse.Namespace) -> int:
    server = asking.server(args)
    asked = {"name": args.name, "archive": not args.without_archive, "full": args.full}
    if args.keep is not None:
        asked["keep"] = args.keep
    begun = server.parse(server.post(_PATH, msgspec.json.encode(asked)), _State)
    bar = _Bar()
    state = begun
    while state.state == "running":
        bar.show(state.bytes, state.total_bytes)
        time.sleep(_POLL_S)
        last = server.parse(server.get(_PATH, {}), _Listed).last
        if last is None or last.name != begun.name:
            bar.end()
            return common.complain(f"the server knows nothing of the backup {begun.name} now", 1)
        state = last
    bar.end()
    if args.json:
        common.print_json(state)
    elif state.state == "done":
        print(f"the backup {visible(state.name)} is made; {state.bytes / 1e6:,.1f} MB were copied")
    if state.state == "failed":
        return common.complain(f"no backup was made: {state.error}", 1)
    return 0


def _stopped(args: argparse.Namespace) -> int:
    from tailrace.app.backup import making, moment
    from tailrace.app.backup.folder import Folder
    from tailrace.app.claims import claim_directory

    config = common.load(args)
    target = Path(args.name).absolute()
    places = _places(config, args.data)
    if not (places.data / "store" / "tables" / "metadata" / "default").exists():
        raise ConfigError(f"{places.data} is no data directory: no server ever ran in it")
    for one in (places.data, places.archive):
        if target.is_relative_to(one):
            raise ConfigError(f"{target} is within what it would be of; name another path")
    keep_s = config.backup.keep if args.keep is None else common.seconds(args.keep)
    wanted = making.Wanted(target.name, keep_s, not args.without_archive, args.full)
    lock = claim_directory(places.data)
    bar = _Bar()
    try:
        progress = making.Progress(threading.Event(), bar.show)
        now = moment.stopped(places, time.time_ns())
        head = making.make(Folder(target.parent), wanted, now, progress)
    finally:
        bar.end()
        os.close(lock)
    if args.json:
        common.print_json(head)
    else:
        common.write(_made(target, head.files, head.bytes, head.left_out))
    return 0


def _made(target: Path, files: int, size: int, left_out: Sequence[str]) -> Iterator[str]:
    yield f"{target} has {files:,} files of {size / 1e6:,.1f} MB\n"
    for one in left_out:
        yield f"not in it: {one}\n"


def _places(config: Config, data: Path | None) -> Places:
    from tailrace.app.agent import archive
    from tailrace.app.backup.moment import Places

    found = (data or Path(config.server.data_dir)).resolve()
    control = None if config.server.control else found / "control"
    return Places(found, archive(config, found).resolve(), control, _BESIDE)


class _Bar:
    """How far it is, on a terminal, on one line."""

    def __init__(self) -> None:
        self._shown = -1
        self._terminal = sys.stderr.isatty()

    def show(self, size: int, total: int) -> None:
        share = min(100, 100 * size // total) if total else 0
        if self._terminal and share != self._shown:
            self._shown = share
            print(f"\r{share:3} % of {total / 1e6:,.1f} MB", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown >= 0:
            print(file=sys.stderr)
