"""Every file of the archive is read once a week, and what is damaged is named until it is whole."""

from __future__ import annotations

import logging

import pytest

from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.store.horizon import Horizon
from tailrace.store.reach import Reach
from tailrace.store.verification import WEEK_S, Verification

from .archived import HOUR_NS, START, Place
from .conftest import Kept


async def filled(place: Place) -> Verification:
    for hour in range(6):
        await place.step(hour * 60)
    return Verification(place.archive, place.clock, place.metrics)


def verified(place: Place) -> float:
    return place.metrics.get("tailrace_archive_verified_files_total")


def test_each_file_is_read_once_in_a_week_at_its_time(archived: Kept) -> None:
    async def body(place: Place) -> None:
        part = await filled(place)
        assert not await part.turn()
        assert verified(place) == 0, "nothing is due at a start"
        counts = []
        for _ in range(14):
            place.clock.advance(WEEK_S / 14)
            assert not await part.turn()
            counts.append(verified(place))
        assert counts[-1] == 6
        assert counts[0] < 6
        # Whenever the process began, and however long it slept.
        again = Verification(place.archive, place.clock, place.metrics)
        place.clock.advance(3 * WEEK_S)
        await again.turn()
        assert verified(place) == 12
        assert place.archive.damage.known == {}

    archived(body)


def test_a_file_with_other_bytes_is_named_once_and_again_whole_when_it_is_restored(
    archived: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(place: Place) -> None:
        part = await filled(place)
        bad = place.files()[2]
        path = place.folder / bad.path
        whole = path.read_bytes()
        path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        place.clock.advance(WEEK_S)
        await part.turn()
        assert place.archive.damage.known == {bad.path: "its bytes are not those that were written"}
        place.clock.advance(3_600)
        await part.turn()
        assert caplog.text.count("a file of the archive is damaged") == 1
        path.write_bytes(whole)
        place.clock.advance(3_600)
        await part.turn()
        assert place.archive.damage.known == {}

    with caplog.at_level(logging.ERROR):
        archived(body)


def test_a_file_that_is_gone_or_cut_is_found_within_the_hour(archived: Kept) -> None:
    async def body(place: Place) -> None:
        part = await filled(place)
        gone, cut, *_ = place.files()
        (place.folder / gone.path).unlink()
        (place.folder / cut.path).write_bytes((place.folder / cut.path).read_bytes()[:-9])
        await part.turn()
        assert place.archive.damage.known == {
            gone.path: "it is gone",
            cut.path: f"it has {cut.bytes - 9:,} bytes, not {cut.bytes:,}",
        }

    archived(body)


def test_a_query_over_a_damaged_file_names_it_and_others_answer(
    archived: Kept, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def body(place: Place) -> None:
        part = await filled(place)
        bad = place.files()[3]
        path = place.folder / bad.path
        data = bytearray(path.read_bytes())
        data[60] ^= 8
        path.write_bytes(bytes(data))
        place.clock.advance(WEEK_S)
        await part.turn()
        reach = Reach(place.archive, Horizon(tmp_path_factory.mktemp("horizon") / "horizon"))
        start = START
        with pytest.raises(StoreError, match=f"1 of 6 files .* the first is {bad.path}"):
            await reach.of(Signal.LOGS, "shop", start, start + 6 * HOUR_NS, exact=True)
        found = await reach.of(Signal.LOGS, "shop", start, start + 3 * HOUR_NS - 1, exact=True)
        [(rows,)] = await place.engine.rows(f"SELECT count() FROM {found.table}")
        assert rows == 18

    archived(body)


def test_what_others_took_the_place_of_is_not_missed(archived: Kept) -> None:
    async def body(place: Place) -> None:
        part = await filled(place)
        old = place.files()[0]
        (place.folder / old.path).unlink()
        await part.turn()
        assert old.path in place.archive.damage.known
        await place.archive.swap("expired", [old], [])
        assert place.archive.damage.known == {}

    archived(body)
