"""`tailrace restore`: a data directory of a backup."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.app.commands import common
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from tailrace.app.backup.listing import Head


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "verify a backup and make a data directory of it, in which a server then starts"
    parser = subparsers.add_parser("restore", help=about, description=about)
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="the backup's folder")
    parser.add_argument(
        "--data", type=Path, metavar="DIRECTORY", help="a new directory, or an empty one"
    )
    parser.add_argument(
        "--archive",
        type=Path,
        metavar="DIRECTORY",
        help="where the archive goes, or is, if the backup has none; archive/ under --data",
    )
    parser.add_argument("--check", action="store_true", help="only verify the backup")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 the backup is broken or there is no room, 2 the command line is wrong."""
    if bool(args.data) == args.check:
        return common.complain("say where to: --data DIRECTORY; or only verify it: --check", 2)
    from tailrace.app.backup import restoring

    backup = args.backup.absolute()
    head = restoring.verify(backup)
    if args.check:
        print(f"{visible(str(backup))} is whole: {head.files:,} files, {head.bytes / 1e6:,.1f} MB")
        return 0
    archive = args.archive.absolute() if args.archive else None
    data = args.data.resolve()
    restoring.Restore(backup, data, archive, lambda _: None).run(head)
    return common.write(_restored(data, archive, head))


def _restored(data: Path, archive: Path | None, head: Head) -> Iterator[str]:
    yield f"{data} is as it was at {common.time_text(head.made_ns)}\n"
    for one in head.left_out:
        yield f"not in the backup: {one}\n"
    yield f"start it with TAILRACE_SERVER__DATA_DIR={data}"
    yield f" TAILRACE_ARCHIVE__DIRECTORY={archive}\n" if archive else "\n"
