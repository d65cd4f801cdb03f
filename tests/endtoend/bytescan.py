"""Whether values stand in clear anywhere that tailrace wrote: raw bytes, and what they expand to.

What is read is folded here, not by the guard: a scan with the guard's own eyes would miss what the
guard misses.
"""

from __future__ import annotations

import asyncio
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from tailrace.core import limits
from tailrace.core.payload import expand
from tailrace.queue.dead import letters
from tailrace.queue.files import OsFileSystem
from tailrace.queue.record import Record
from tailrace.queue.segment import HEAD_BYTES, Extent, numbers_in, path_of, scan
from tailrace.store.engine import Engine

_ESCAPED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrt])")
# What may stand between two digits of one number.
_RUN = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9])*")
_DIGITS = re.compile("[0-9]+")
_LEVELS = 4
_SIZES = (14, 15, 16)


def folded(text: str) -> str:
    """With digits of every script as ASCII, and escapes of JSON, URLs and HTML undone."""
    for _ in range(_LEVELS):
        before = text
        text = html.unescape(unquote(_ESCAPED.sub(_plain, text)))
        if text == before:
            break
    text = unicodedata.normalize("NFKC", text)
    return text if text.isascii() else "".join(map(_digit, text))


def _plain(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else " "


def _digit(char: str) -> str:
    return char if char.isascii() else str(unicodedata.digit(char, char))


def clear(text: str, wanted: frozenset[str]) -> set[str]:
    """The wanted values that stand in a text. A card is found within longer numbers, too; nine
    digits only where they begin and end as groups do, for nine in a row are in many a time."""
    found: set[str] = set()
    for run in _RUN.finditer(folded(text)):
        groups = _DIGITS.findall(run[0])
        whole = "".join(groups)
        if len(whole) >= 9:
            found |= _within(whole, wanted) | _of_groups(groups, wanted)
    return found


def _within(whole: str, wanted: frozenset[str]) -> set[str]:
    windows = {whole[at : at + size] for size in _SIZES for at in range(len(whole) - size + 1)}
    return windows & wanted


def _of_groups(groups: list[str], wanted: frozenset[str]) -> set[str]:
    found: set[str] = set()
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) >= 9:
                break
        if number in wanted:
            found.add(number)
    return found


def files(*directories: Path) -> Iterator[tuple[str, str]]:
    """The raw bytes of every file below them, by name."""
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                yield (
                    f"{path.relative_to(directory.parent)}",
                    path.read_bytes().decode(errors="replace"),
                )


def queue(directory: Path) -> Iterator[tuple[str, str]]:
    """Headers and expanded payloads of all segments and dead letters; of what is damaged there are
    only the raw bytes."""
    for number, record in records(directory):
        yield f"segment {number}", _text(record.header)
        yield f"segment {number}", _text(expand(record.payload, limits.GUARDED_BYTES))
    for letter, payload in letters(OsFileSystem(), directory / "dead"):
        whole = expand(payload, limits.GUARDED_BYTES) if letter.header else payload
        yield "dead letter", f"{letter} {_text(whole)}"


def records(directory: Path) -> Iterator[tuple[int, Record]]:
    """The whole ones of all segments, with the segment's number."""
    system = OsFileSystem()
    for number in numbers_in(system, directory):
        extent = Extent(number, system.size(path_of(directory, number)))
        for item in scan(system, directory, extent, HEAD_BYTES):
            if isinstance(item, Record):
                yield number, item


def stored(data: Path) -> dict[str, list[str]]:
    """Every row of every table of the stopped server's store and of every Parquet file."""
    return asyncio.run(_stored(data))


async def _stored(data: Path) -> dict[str, list[str]]:
    engine = Engine(data / "store")
    await engine.open()
    try:
        named = await engine.rows(
            "SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree%' "
            "OR database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"
        )
        sources = {f"{base}.{name}": f"`{base}`.`{name}`" for base, name in named}
        for path in sorted((data / "archive").rglob("*.parquet")):
            sources[f"{path.relative_to(data)}"] = f"file('{path}', Parquet)"
        return {
            name: [str(row[0]) for row in await engine.rows(f"SELECT toString(tuple(*)) FROM {of}")]
            for name, of in sources.items()
        }
    finally:
        await engine.close()


def leaks(texts: Iterable[tuple[str, str]], wanted: Iterable[str]) -> dict[str, set[str]]:
    """The values in clear by where they stand."""
    found: dict[str, set[str]] = {}
    values = frozenset(wanted)
    for name, text in texts:
        if here := clear(text, values):
            found.setdefault(name, set()).update(here)
    return found


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def damage(queue: Path) -> None:
    """Flip a bit of the first frame's payload, and have the stopped server read all from anew."""
    number, record = next(records(queue))
    path = queue / f"{number:012d}.seg"
    data = bytearray(path.read_bytes())
    data[record.end - 1] ^= 1
    path.write_bytes(data)
    for position in (queue / "consumers").iterdir():
        position.unlink()
