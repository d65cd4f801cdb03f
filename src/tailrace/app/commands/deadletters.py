"""`tailrace deadletters`: what was accepted and could not be stored: look, replay, drop."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tailrace.app.commands import asking
from tailrace.app.commands.common import complain, save, table, time_text, write
from tailrace.client.server import Server
from tailrace.core import limits
from tailrace.core.visible import visible
from tailrace.queue.letter import Item

_PATH = "/api/v1/deadletters"
_SHOWN_BYTES = 4 * limits.KIB
# A queue that is full when letters are replayed is asked again so often.
_TRIES = 20
_FAILED_NAMED = 5
_HEADINGS = ("ID", "BURIED", "SERVICE", "SIGNAL", "ROWS", "BYTES", "SOURCE", "SEQ", "REASON")


class _Shown(Item, frozen=True):
    header: dict[str, Any] | None
    found: str | None
    readable: bool
    compressed: bool
    payload_bytes: int
    text: str
    cut: bool


class _Listed(msgspec.Struct):
    letters: list[Item]
    count: int
    rows: int
    stored_bytes: int
    next: str


class _Count(msgspec.Struct):
    count: int
    rows: int
    stored_bytes: int


class _Failed(msgspec.Struct):
    id: str
    why: str


class _Done(_Count):
    failed: list[_Failed]
    next: str
    last: str
    busy: str
    retry_after_s: float


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "look at what was accepted and could not be stored, replay it, or drop it"
    parser = subparsers.add_parser("deadletters", help=about, description=about)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "list dead letters in the order they were buried, with their reasons"
    listed = actions.add_parser("ls", help=about, description=about)
    _add_filters(listed)
    listed.add_argument("--limit", type=int, default=100, help="at most so many; 100 by default")
    listed.add_argument("--json", action="store_true", help="print JSON")
    about = "print what is known of one, and the beginning of what it holds"
    show = actions.add_parser("show", help=about, description=about)
    show.add_argument("id", metavar="ID", help="as `ls` gives it")
    show.add_argument(
        "--bytes", type=int, default=_SHOWN_BYTES, help="how much to print; 4096 by default"
    )
    show.add_argument("--raw", type=Path, metavar="FILE", help="write the payload as it is there")
    about = "put frames into the queue again, as after an upgrade that can read them"
    replay = actions.add_parser("replay", help=about, description=about)
    about = "delete dead letters for good; without --yes it says how many and ends with status 2"
    drop = actions.add_parser("drop", help=about, description=about)
    drop.add_argument("--yes", action="store_true", help="do it")
    for action in (replay, drop):
        action.add_argument("ids", metavar="ID", nargs="*", help="these, as `ls` gives them")
        _add_filters(action)
        action.add_argument("--all", action="store_true", help="all of them")
    for action, run in ((listed, run_ls), (show, run_show), (replay, run_replay), (drop, run_drop)):
        asking.add_arguments(action)
        action.set_defaults(func=run)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="how the reason begins, such as unreadable")
    parser.add_argument("--source", default="", help="only of this source")
    parser.add_argument("--since", default="", help="buried since then, such as 15m or 7d")


def run_ls(args: argparse.Namespace) -> int:
    """0 done, 1 the server cannot be asked."""
    server = asking.server(args)
    asked = {"reason": args.reason, "source": args.source, "since": args.since}
    pages = _pages(server, asked, max(1, args.limit))
    if args.json:
        return write(msgspec.json.encode(one).decode() + "\n" for page in pages for one in page[0])
    return write(_text(pages))


_Page = tuple[list[Item], _Listed]


def _pages(server: Server, asked: dict[str, str], most: int) -> Iterator[_Page]:
    """Up to `most` letters, page by page."""
    after = ""
    while most > 0:
        page = min(most, limits.DEAD_LETTERS_LISTED)
        body = server.get(_PATH, {**asked, "limit": page, "after": after})
        listed = server.parse(body, _Listed)
        yield listed.letters, listed
        most -= len(listed.letters)
        after = listed.next
        if not after:
            return


def _text(pages: Iterator[_Page]) -> Iterator[str]:
    """A table, what its reasons mean, and a line that sums it up."""
    found: list[Item] = []
    total: _Listed | None = None
    for letters, listed in pages:
        found += letters
        total = total or listed
    if total is None or not found:
        yield "no dead letters\n"
        return
    yield from table([_HEADINGS, *map(_cells, found)])
    yield "\n"
    for reason, why in sorted({one.reason: one.why for one in found}.items()):
        yield f"{visible(reason)}: {visible(why)}\n"
    yield f"{_counted(_Count(total.count, total.rows, total.stored_bytes))}\n"
    if total.count > len(found):
        yield f"{len(found)} are listed; --limit gives more\n"


def _cells(one: Item) -> Sequence[str]:
    frame = one.kind == "frame"
    cells = (
        one.id,
        time_text(one.buried_ns),
        one.service or "-",
        one.signal if frame else one.kind,
        f"{one.rows:,}" if frame else "-",
        f"{one.bytes if frame else one.stored_bytes:,}",
        one.source or "-",
        str(one.seq) if frame else "-",
        one.reason,
    )
    return [visible(cell) for cell in cells]


def _counted(one: _Count) -> str:
    letters = "1 dead letter" if one.count == 1 else f"{one.count:,} dead letters"
    rows = "1 row" if one.rows == 1 else f"{one.rows:,} rows"
    return f"{letters}, {rows}, {one.stored_bytes:,} bytes on disk"


def run_show(args: argparse.Namespace) -> int:
    """0 done, 1 there is none or the server cannot be asked, 2 the file cannot be written."""
    server = asking.server(args)
    path = f"{_PATH}/{quote(args.id, safe='')}"
    if args.raw:
        save(args.raw, [server.get(f"{path}/payload", {})])
        return 0
    body = server.get(path, {"bytes": args.bytes})
    return write(_shown(server.parse(body, _Shown)))


def _shown(one: _Shown) -> Iterator[str]:
    yield f"{one.id}  buried {time_text(one.buried_ns)}\n"
    yield f"{visible(one.reason)}: {visible(one.why)}\n"
    if one.found:
        yield f"found at {one.found} of the queue (segment and offset)\n"
    for name, value in (one.header or {}).items():
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield f"{name:<12} {visible(shown)}\n"
    if one.kind == "frame" and not one.readable:
        yield "it was damaged on the disk; these are its bytes as they are:\n"
    kind = "compressed" if one.compressed else "as they are"
    yield f"\npayload: {one.payload_bytes:,} bytes, {kind}\n"
    for line in one.text.split("\n"):
        yield f"{visible(line)}\n"
    if one.cut:
        yield "... and more: --bytes, or --raw FILE for all of it\n"


def run_replay(args: argparse.Namespace) -> int:
    """0 done, 1 some could not be replayed or the server cannot be asked, 2 wrong usage."""
    if (asked := _asked(args)) is None:
        return complain("say which: IDs, --reason, --source, --since or --all", 2)
    done, failed, busy = _repeat(asking.server(args), "replay", asked)
    print(f"replayed: {_counted(done)}")
    return _complained(failed, busy)


def run_drop(args: argparse.Namespace) -> int:
    """0 done, 1 the server cannot be asked, 2 not done, for want of --yes or of which."""
    if (asked := _asked(args)) is None:
        return complain("say which: IDs, --reason, --source, --since or --all", 2)
    server = asking.server(args)
    if not args.yes:
        body = server.post(f"{_PATH}/drop", msgspec.json.encode({**asked, "dry": True}))
        count = server.parse(body, _Count)
        return complain(f"would be dropped for good: {_counted(count)}; say --yes to do it", 2)
    done, failed, busy = _repeat(server, "drop", asked)
    print(f"dropped: {_counted(done)}")
    return _complained(failed, busy)


def _asked(args: argparse.Namespace) -> dict[str, Any] | None:
    """Which letters; None where nobody said."""
    asked = {"reason": args.reason, "source": args.source, "since": args.since, "all": args.all}
    if args.ids:
        asked["ids"] = args.ids
    return asked if any(asked.values()) else None


def _repeat(
    server: Server, action: str, asked: dict[str, Any]
) -> tuple[_Count, list[_Failed], str]:
    """Until all of those are done that were there at first; what was done, which were not, and why
    it ended early."""
    done, failed, tries = _Count(0, 0, 0), list[_Failed](), 0
    while True:
        body = server.post(f"{_PATH}/{action}", msgspec.json.encode(asked))
        step = server.parse(body, _Done)
        done.count += step.count
        done.rows += step.rows
        done.stored_bytes += step.stored_bytes
        failed += step.failed
        if not step.next or tries == _TRIES:
            return done, failed, step.busy
        if step.busy:
            tries += 1
            time.sleep(step.retry_after_s)
        asked = {**asked, "after": step.next, "last": step.last}


def _complained(failed: Sequence[_Failed], busy: str) -> int:
    for one in failed[:_FAILED_NAMED]:
        complain(f"{one.id} stays: {one.why}", 1)
    if len(failed) > _FAILED_NAMED:
        complain(f"and {len(failed) - _FAILED_NAMED:,} others stay", 1)
    if busy:
        complain(f"not all was done: {busy}", 1)
    return int(bool(failed or busy))
