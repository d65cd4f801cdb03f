"""The tables as they are at one moment, while the engine goes on.

FREEZE makes hard links of all parts of a table under `tables/shadow/backup/`, in the folders that
they have in `tables/`: 25 ms a table, and no bytes. Parts never change, so the links are those of
that moment for as long as they are there; merged and dropped parts keep their room until then.
What a crash leaves of them is removed by the next `freeze`, and by `left_over` at a start.

The folders of the tables stay as they are, so a directory with these files opens as it is:

    tables/metadata/default                    a link to the folder of the next line
    tables/store/XXX/UUID/TABLE.sql            what each table is
    tables/store/XXX/UUID/format_version.txt   of each table
    tables/store/XXX/UUID/PART/...
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tailrace.store import sql
from tailrace.store.engine import Engine

NAME = "backup"
_METADATA = "metadata/default"
# What is on its way in or out of a table, and what the engine has set aside.
_PASSING = ("tmp", "delete_tmp", "detached", "moving")


class TableFile(NamedTuple):
    """A file by its path under `tables/`, and where it is now. `fixed`: it never changes, and
    another under this path never has its time of change."""

    path: str
    now: Path
    fixed: bool


def shadow(directory: Path) -> Path:
    """The links, of the engine in `directory`."""
    return directory / "tables" / "shadow" / NAME


def left_over(directory: Path) -> None:
    """Remove links that a crash left. Raises OSError."""
    if shadow(directory).exists():
        shutil.rmtree(shadow(directory))


async def freeze(engine: Engine, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Make the links. `meanwhile` is awaited when they are there and nothing was written since.
    Raises StoreError, and what `meanwhile` raises."""
    left_over(engine.directory)
    tables = await engine.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' ORDER BY name"
    )
    async with engine.still() as run:
        for (table,) in tables:
            await run(f"ALTER TABLE {table} FREEZE WITH NAME {sql.text(NAME)}")
        await meanwhile()


def link(directory: Path) -> tuple[str, str]:
    """The one symbolic link, by its path under `tables/`, and where it leads. Raises OSError."""
    return _METADATA, str((directory / "tables" / _METADATA).readlink())


def files(directory: Path, *, frozen: bool) -> Iterator[TableFile]:
    """All files of the tables of the engine in `directory`: parts from the links, or, where nobody
    runs it, as they are. Raises OSError."""
    tables = directory / "tables"
    definitions = (tables / _METADATA).resolve()
    for path in sorted([*definitions.glob("*.sql"), *tables.glob("store/*/*/format_version.txt")]):
        yield TableFile(str(path.relative_to(tables)), path, fixed=False)
    root = shadow(directory) if frozen else tables
    for part in sorted(root.glob("store/*/*/*/")):
        if part.is_dir() and not part.name.startswith(_PASSING):
            for path in sorted(part.rglob("*")):
                if path.is_file():
                    yield TableFile(str(path.relative_to(root)), path, fixed=True)
