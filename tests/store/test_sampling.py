"""The laws of Stored, of which there is one, and its bound: files that an audit opens."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tailrace.core import limits
from tailrace.core.contracts import Position, StoredRow
from tailrace.core.frame import Frame
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.sampling import StoredRows

from .building import HOUR_NS, NOW, frame
from .conftest import Use

ALWAYS = 0


class Place:
    """A hot table, its archive, and a Stored over both."""

    def __init__(self, table: LogTable, engine: Engine, folder: Path) -> None:
        self._table = table
        self._archive = Archive(engine, folder / "archive")
        self._stored = StoredRows(engine, self._archive)

    async def put(self, frames: list[Frame]) -> None:
        """Frames in both, archived in one step."""
        await self._archive.open()
        await self._table.insert(frames)
        await self._archive.step([one.header for one in frames], [], Position(1, 1))

    async def sampled(
        self, tenant: str = "default", since_ns: int = ALWAYS, rows: int = 100
    ) -> list[StoredRow]:
        pieces = self._stored.sample(tenant, since_ns, rows)
        return [row async for piece in pieces for row in piece]


def sent(seq: int, *bodies: str, hour: int = 0, **fields: Any) -> Frame:
    time_ns = NOW + hour * HOUR_NS
    lines = [json.dumps({"time": time_ns, "body": body, "service": "shop"}) for body in bodies]
    return frame("".join(f"{line}\n" for line in lines).encode(), seq, **fields)


def test_a_row_of_each_place_says_what_was_sent(use: Use, tmp_path: Path) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        place = Place(table, engine, tmp_path)
        await place.put([sent(1, "paid")])
        found = await place.sampled()
        assert sorted(row.place for row in found) == ["archived logs", "hot logs"]
        assert [json.loads(row.row)["Body"] for row in found] == ["paid", "paid"]
        assert {(row.service, row.taken_ns) for row in found} == {("shop", NOW + 1)}

    use(body)


def test_rows_of_other_tenants_are_not_given(use: Use, tmp_path: Path) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        place = Place(table, engine, tmp_path)
        await place.put([sent(1, "ours"), sent(2, "theirs", tenant="other")])
        assert {json.loads(row.row)["Body"] for row in await place.sampled()} == {"ours"}
        assert await place.sampled("nobody") == []

    use(body)


def test_rows_that_were_taken_in_before_are_not_given(use: Use, tmp_path: Path) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        place = Place(table, engine, tmp_path)
        await place.put([sent(1, "before", received_ns=10**18), sent(2, "since")])
        found = await place.sampled(since_ns=11 * 10**17)
        assert Counter(json.loads(row.row)["Body"] for row in found) == {"since": 2}

    use(body)


def test_of_many_rows_about_as_many_are_given_as_were_asked_for(use: Use, tmp_path: Path) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        place = Place(table, engine, tmp_path)
        await place.put([sent(1, *(f"row {number}" for number in range(2_000)))])
        counted = Counter(row.place for row in await place.sampled(rows=50))
        assert counted.keys() == {"hot logs", "archived logs"}
        assert 10 < min(counted.values()) <= max(counted.values()) <= 50

    use(body)


def test_no_more_files_of_the_archive_are_opened_than_may_be(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        place = Place(table, engine, tmp_path)
        await place.put([sent(number + 1, "x", hour=number) for number in range(10)])

        async def opened() -> int:
            found = await place.sampled()
            return sum(row.place == "archived logs" for row in found)

        assert await opened() == 10
        monkeypatch.setattr(limits, "AUDIT_FILES", 4)
        assert await opened() <= 4

    use(body)
