"""The laws of a Part of the archive's upkeep. Every implementation is held to them; add one to
PARTS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tailrace.store.retention import Retention
from tailrace.store.upkeep import Part, Tidying
from tailrace.store.verification import Verification

from .archived import Place
from .conftest import Kept

PARTS: dict[str, Callable[[Place], Part]] = {
    "tidy": lambda place: Tidying(place.archive, place.metrics),
    "pack": lambda place: place.compaction,
    "verify": lambda place: Verification(place.archive, place.clock, place.metrics),
    "expire": lambda place: place.expiring(Retention({(None, None): 365 * 86_400.0})),
}
_all = pytest.mark.parametrize("name", list(PARTS))


@_all
def test_in_an_empty_archive_there_is_nothing_to_do(name: str, archived: Kept) -> None:
    async def body(place: Place) -> None:
        assert await PARTS[name](place).turn() is False
        assert place.on_disk() == set()

    archived(body)


@_all
def test_turns_come_to_an_end_and_each_row_that_is_to_stay_stays(name: str, archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        before = place.rows()
        place.later(10 * 60)
        part = PARTS[name](place)
        for _ in range(10):
            if not await part.turn():
                break
        else:
            raise AssertionError("there is always more to do")
        assert place.rows() == before
        names = place.archive.manifest.paths()
        assert await part.turn() is False
        assert place.archive.manifest.paths() == names

    archived(body)


@_all
def test_one_that_is_cancelled_leaves_each_row_once(name: str, archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        before = place.rows()
        place.later(10 * 60)
        turn = asyncio.create_task(PARTS[name](place).turn())
        for _ in range(3):
            await asyncio.sleep(0)
        turn.cancel()
        await asyncio.wait([turn])
        assert place.rows() == before
        await place.open()
        assert place.rows() == before
        assert place.on_disk() == place.archive.manifest.paths()

    archived(body)
