"""`tailrace archive ls|verify|cat`: the archive as it is on disk, beside a running server or
without one. Nothing is changed."""

from __future__ import annotations

import argparse
import contextlib
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.app.commands import archivecat, archiveverify, common, ranges
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Signal, check_tenant

if TYPE_CHECKING:
    from tailrace.store.entries import ArchiveFile
    from tailrace.store.reading import ArchiveReader, Wanted

_HEADINGS = ("TENANT", "SIGNAL", "DAY", "HOUR", "FILES", "ROWS", "BYTES")
# The options that each takes, beside those of every one.
_TAKES: dict[str, frozenset[str]] = {
    "ls": frozenset({"paths", "json"}),
    "verify": frozenset({"deep", "json"}),
    "cat": frozenset({"service", "limit"}),
}
_OPTIONS = frozenset[str]().union(*_TAKES.values())


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list, verify and print what is in the archive"
    parser = subparsers.add_parser("archive", help=about, description=about)
    parser.add_argument("action", choices=tuple(_TAKES))
    parser.add_argument("--directory", metavar="DIR", help="of the configuration by default")
    parser.add_argument("--tenant", default="", help="only files of this one")
    parser.add_argument("--signal", choices=[one.value for one in Signal], help="only its files")
    parser.add_argument("--since", default="", metavar="SPAN", help="1h, 3d: back from the end")
    parser.add_argument("--start", metavar="TIME", help="instead: RFC 3339, or Unix time")
    parser.add_argument("--until", metavar="TIME", help="up to here, now by default")
    parser.add_argument("--paths", action="store_true", help="ls: print the paths of the files")
    parser.add_argument("--deep", action="store_true", help="verify: decode every row")
    parser.add_argument("--service", default="", metavar="NAME", help="cat: only its rows")
    parser.add_argument("--limit", type=int, default=0, metavar="ROWS", help="cat: at most so many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 something is damaged or gone, 2 the command line is wrong."""
    given = {name for name in _OPTIONS if getattr(arguments, name)}
    if others := sorted(given - _TAKES[arguments.action]):
        return common.complain(f"archive {arguments.action} takes no --{others[0]}", 2)
    try:
        from tailrace.store.reading import ArchiveReader
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: it needs pip install 'tailrace[server]'"
        ) from None
    wanted = _wanted(arguments)
    reader = ArchiveReader(_directory(arguments))
    with _many_files():
        if arguments.action == "ls":
            return _ls(reader, wanted, arguments)
        if arguments.action == "verify":
            return archiveverify.run(reader, wanted, arguments.deep, arguments.json)
        return archivecat.run(reader, wanted, arguments.service, arguments.limit)


def _directory(arguments: argparse.Namespace) -> Path:
    from tailrace.app.agent import archive

    if arguments.directory:
        return Path(arguments.directory)
    config = common.load(arguments)
    return archive(config, Path(config.server.data_dir).resolve())


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from tailrace.store.reading import Wanted

    if arguments.tenant and not check_tenant(arguments.tenant):
        raise ConfigError(f"--tenant: {arguments.tenant!r} is no name of a tenant")
    ever = not arguments.since and not arguments.start
    arguments.since = arguments.since or "1h"
    start_ns, end_ns = ranges.range_ns(arguments)
    if ever:
        start_ns = 0
    if not arguments.until:
        end_ns = 1 << 63  # clocks of senders may be ahead
    signal = Signal(arguments.signal) if arguments.signal else None
    return Wanted(start_ns, end_ns - 1, arguments.tenant or None, signal)


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    """The files of a day are open at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield


def _ls(reader: ArchiveReader, wanted: Wanted, arguments: argparse.Namespace) -> int:
    files = reader.files(wanted)
    if arguments.paths:
        return common.write(f"{reader.directory / file.path}\n" for file in files)
    groups: dict[tuple[str, str, str, str], list[ArchiveFile]] = {}
    for file in files:
        groups.setdefault(_place(file), []).append(file)
    if arguments.json:
        common.print_json([_told(place, found) for place, found in groups.items()])
        return 0
    rows = [_HEADINGS, *(_row(place, found) for place, found in groups.items())]
    sys.stderr.write(f"{len(files):,} files, {sum(file.bytes for file in files):,} bytes\n")
    return common.write(common.table(rows))


def _place(file: ArchiveFile) -> tuple[str, str, str, str]:
    """Day and hour are those of the first row."""
    day, _, hour = common.time_text(max(file.first_ns, 1)).partition("T")
    return file.tenant, Signal(file.signal).value, day, hour[:2]


def _row(place: tuple[str, str, str, str], files: Sequence[ArchiveFile]) -> Sequence[str]:
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    return (*place, str(len(files)), f"{rows:,}", f"{size:,}")


def _told(place: tuple[str, str, str, str], files: Sequence[ArchiveFile]) -> dict[str, Any]:
    tenant, signal, day, hour = place
    return {
        "tenant": tenant,
        "signal": signal,
        "day": day,
        "hour": int(hour),
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.bytes for file in files),
        "files": files,
    }
