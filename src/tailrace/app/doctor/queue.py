"""Segments, positions and dead letters: every record is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from tailrace.app.doctor.finding import Finding, Place, note, wrong
from tailrace.core.contracts import Position
from tailrace.core.errors import Corrupt
from tailrace.core.frame import Header
from tailrace.queue import dead, positions
from tailrace.queue.files import OsFileSystem
from tailrace.queue.record import Damage, Record
from tailrace.queue.segment import HEAD_BYTES, Extent, decode_head, numbers_in, path_of, scan

_PART = "queue"
CONSUMERS = ("archiver", "writer")
_FILES = OsFileSystem()


class Read(NamedTuple):
    """How far a consumer is, and whether it is known."""

    position: Position
    known: bool


def look(place: Place) -> Iterator[Finding]:
    """Raises OSError."""
    directory = place.data / "queue"
    if not directory.is_dir():
        return
    extents = _extents(directory)
    for name in CONSUMERS:
        yield from _consumer(directory, name, extents)
    done = min(read(directory, name).position for name in CONSUMERS)
    for extent in extents:
        yield from _segment(directory, extent, done, extent is extents[-1])
    yield from _dead(place, directory / "dead")


def read(directory: Path, name: str) -> Read:
    """Where a consumer of the queue in `directory` is."""
    found = [one for one in _turns(directory, name) if one]
    return Read(max(found)[1], True) if found else Read(positions.START, False)


def rows_after(directory: Path, position: Position) -> int:
    """Rows of frames in the queue behind `position`. Raises OSError."""
    rows = 0
    for extent in _extents(directory):
        for item in scan(_FILES, directory, extent, extent.start_after(position)):
            if isinstance(item, Record):
                rows += msgspec.msgpack.decode(item.header, type=Header).rows
    return rows


def _extents(directory: Path) -> list[Extent]:
    numbers = numbers_in(_FILES, directory)
    return [Extent(number, _FILES.size(path_of(directory, number))) for number in numbers]


def _turns(directory: Path, name: str) -> list[tuple[int, Position] | None]:
    """Generation and position of both files; None of one that is gone or broken."""
    found = []
    for turn in (0, 1):
        path = directory / "consumers" / f"{name}.{turn}"
        data = path.read_bytes() if path.exists() else b""
        found.append(positions.decode(name, data))
    return found


def _consumer(directory: Path, name: str, extents: list[Extent]) -> Iterator[Finding]:
    turns = _turns(directory, name)
    newest = max((one[0] for one in turns if one), default=0)
    others = any((directory / "consumers").glob("*.[01]"))
    # The first position has no other turn beside it, and before it there is none at all.
    for turn, one in enumerate(turns):
        if one is None and (newest > 1 or (not newest and others)):
            yield wrong(
                _PART,
                f"{directory / 'consumers' / f'{name}.{turn}'} is gone or fails its checksum",
                f"the {name} may read frames again that it had read, and knows them again",
                "nothing: the next positions are written anew; look for what touched the file",
            )
    position = max((one for one in turns if one), default=(0, positions.START))[1]
    last = extents[-1] if extents else Extent(0, 0)
    end = Position(last.number, max(last.end, HEAD_BYTES))
    short = [one for one in extents if one.number == position.segment and one.end < position.offset]
    if position > end or short:
        yield wrong(
            _PART,
            f"the {name} is at {position.segment}/{position.offset}, where the queue has no bytes",
            "segments were removed or cut; frames in them that were not stored are lost",
            "restore a backup; a server that starts in it stores what is left",
        )


def _segment(directory: Path, extent: Extent, done: Position, last: bool) -> Iterator[Finding]:
    path = path_of(directory, extent.number)
    try:
        decode_head(_FILES.read(path, 0, HEAD_BYTES), extent.number)
    except Corrupt:
        if last and extent.end <= HEAD_BYTES:
            yield _torn(path, extent.end)
        else:
            yield _lost(path, 0, extent.end, done, extent)
        return
    for item in scan(_FILES, directory, extent, HEAD_BYTES):
        if isinstance(item, Damage):
            if last and not item.measured and item.end == extent.end:
                yield _torn(path, item.end - item.start)
            else:
                yield _lost(path, item.start, item.end, done, extent)


def _torn(path: Path, size: int) -> Finding:
    return note(
        _PART,
        f"{path} ends with {size:,} bytes of a write that was not finished",
        "nobody was told that they were taken",
        "nothing: the next start cuts them off",
    )


def _lost(path: Path, start: int, end: int, done: Position, extent: Extent) -> Finding:
    if Position(extent.number, start) < done:
        means = "what stood there was stored and archived before"
    else:
        means = "a frame that stood there is lost, unless its sender has it"
    return wrong(
        _PART,
        f"{path}: bytes {start:,} to {end:,} fail their checksum",
        means,
        "nothing: they are passed over and kept among the dead letters; look at the disk's health",
    )


def _dead(place: Place, directory: Path) -> Iterator[Finding]:
    if not directory.is_dir():
        return
    extents = _extents(directory)
    for extent in extents:
        for item in scan(_FILES, directory, extent, HEAD_BYTES):
            if isinstance(item, Damage) and (item.measured or extent is not extents[-1]):
                yield wrong(
                    _PART,
                    f"{path_of(directory, extent.number)}: bytes {item.start:,} to {item.end:,} "
                    "fail their checksum",
                    "a dead letter is lost",
                    "look at the disk's health",
                )
    size, most = sum(extent.end for extent in extents), place.config.queue.dead_letter_size
    if size > 0.9 * most:
        yield wrong(
            _PART,
            f"{directory} has {size:,} bytes where queue.dead_letter_size is {most:,}",
            "when it is full, whoever meets the next dead letter waits",
            "tailrace deadletters shows, replays and drops them; or raise queue.dead_letter_size",
        )
    elif letters := sum(1 for _ in dead.letters(_FILES, directory)):
        yield note(
            _PART,
            f"{directory} has {letters:,} dead letters",
            "their rows are stored nowhere else",
            "tailrace deadletters shows why they are there",
        )
