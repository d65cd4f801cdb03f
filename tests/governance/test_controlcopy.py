"""A copy of the control store is of the moment that it was begun."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tailrace.core.errors import StoreError
from tailrace.governance.control import Control
from tailrace.governance.controlcopy import ControlCopy
from tailrace.governance.database import NAME
from tailrace.governance.schema import CHANGES, MIGRATIONS


def test_what_is_written_after_it_was_begun_is_not_in_it(tmp_path: Path) -> None:
    async def main() -> None:
        control = Control(tmp_path / "control")
        await control.open()

        async def add(subject: str) -> None:
            row = CHANGES.insert().values(subject=subject, number=1)
            await control.run(lambda connection: connection.execute(row) and None)

        await add("before")
        copy = ControlCopy(tmp_path / "control")
        await add("after")
        copy.write(tmp_path / NAME)
        copy.close()
        copy.close()
        assert copy.version == len(MIGRATIONS)
        count = select(func.count()).select_from(CHANGES)
        assert await control.read(lambda one: one.execute(count).scalar_one()) == 2
        await control.close()

    asyncio.run(main())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["control", NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("SELECT subject FROM changes").fetchall() == [("before",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_store_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=NAME):
        ControlCopy(tmp_path)
    (tmp_path / NAME).write_bytes(b"no store at all" * 1_000)
    with pytest.raises(StoreError, match=NAME):
        ControlCopy(tmp_path)
