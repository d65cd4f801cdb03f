"""Rows leave the archive after their time, and only those; each deletion is noted before."""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq
import pytest

from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.store.expiring import EVERY_S
from tailrace.store.leaving import GRACE_S
from tailrace.store.retention import Retention
from tailrace.store.upkeep import Tidying

from .archived import Place
from .conftest import Kept

DAY_S = 86_400.0
DAY_MINUTES = 24 * 60


def services(place: Place, tenant: str = "shop") -> Counter[str]:
    """Rows of logs by service."""
    found: Counter[str] = Counter()
    for file in place.files(tenant=tenant):
        table = pq.ParquetFile(place.folder / file.path).read(["ServiceName"])
        found.update(table.column(0).to_pylist())
    return found


def test_what_says_most_of_a_row_counts() -> None:
    retention = Retention(
        {
            (None, None): 10.0,
            (None, "audit"): 0.0,
            ("acme", None): 20.0,
            ("acme", "audit"): 30.0,
            ("other", "web"): 5.0,
        }
    )
    asked = [("x", None), ("x", "web"), ("x", "audit"), ("acme", "web"), ("acme", "audit")]
    assert [retention.age_s(*one) for one in asked] == [10, 10, 0, 20, 30]
    assert retention.named("acme", Signal.LOGS) == ["audit"]
    assert retention.named("other", Signal.SPANS) == ["audit", "web"]
    assert retention.named("other", Signal.METRICS) == []
    day_ns = 86_400 * 10**9
    assert not retention.over("x", None, 7, 8 * day_ns + 10 * 10**9 - 1)
    assert retention.over("x", None, 7, 8 * day_ns + 10 * 10**9)
    assert not retention.over("x", "audit", 7, 1 << 62)
    assert Retention().age_s("x") == 0


def test_days_go_whole_when_they_are_a_year_old_and_not_before(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.step(23 * 60)
        await place.step(23 * 60 + 1, Signal.METRICS)
        await place.step(DAY_MINUTES)
        part = place.expiring(Retention({(None, None): 30 * DAY_S}))
        names = place.on_disk()
        place.clock.jump_wall(30 * DAY_S - 120)
        assert not await part.turn()
        assert (len(place.archive.listing.files()), place.noted) == (3, {})
        place.clock.advance(EVERY_S)
        assert not await part.turn()
        [left] = place.archive.listing.files()
        assert left.path in names
        assert place.on_disk() == names, "a query may still read them"
        noted = sorted(place.noted.values(), key=lambda one: one.signal)
        assert [(one.signal, one.rows, one.service) for one in noted] == [
            ("logs", 6, ""), ("metrics", 6, ""),
        ]  # fmt: skip
        assert {one.subject for one in noted} == names - {left.path}
        assert all((one.place, one.reason, one.tenant) == ("archive", "expired", "shop")
                   for one in noted)  # fmt: skip
        assert all(one.bytes and one.first_ns <= one.last_ns for one in noted)
        assert place.metrics.get("tailrace_archive_expired_rows_total") == 12
        place.clock.advance(GRACE_S)
        await Tidying(place.archive, place.metrics).turn()
        assert place.on_disk() == {left.path}
        assert not (place.folder / "metrics/tenant=shop/day=2027-01-15").exists()

    archived(body)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({(None, None): 0.0, (None, "pay"): DAY_S}, {"cart": 2, "ads": 2}),
        ({(None, None): DAY_S, (None, "pay"): 9 * DAY_S}, {"pay": 2}),
        ({(None, None): DAY_S, ("shop", "ads"): 0.0, ("other", "pay"): 0.0}, {"ads": 2}),
        ({(None, None): DAY_S, ("shop", None): 9 * DAY_S}, {"cart": 2, "pay": 2, "ads": 2}),
        ({(None, None): 0.0, (None, "none"): DAY_S}, {"cart": 2, "pay": 2, "ads": 2}),
        ({(None, None): DAY_S, (None, "none"): 0.0}, {}),
    ],
)
def test_a_service_of_its_own_time_is_taken_out_of_files_or_left_in_them(
    said: dict[tuple[str | None, str | None], float], left: dict[str, int], archived: Kept
) -> None:
    async def body(place: Place) -> None:
        await place.step(5)
        before = place.rows()
        place.clock.jump_wall(3 * DAY_S)
        part = place.expiring(Retention(said))
        await part.turn()
        assert services(place) == left
        assert [row for row in before if row in place.rows()] == place.rows()
        gone = 6 - sum(left.values())
        assert sum(one.rows for one in place.noted.values()) == gone
        if 0 < gone < 6:
            [file] = place.files()
            assert (file.packed, file.rows) == (True, 6 - gone)
            named = {one.service for one in place.noted.values()}
            assert named == ({"pay"} if gone == 2 else {""})
        names = place.on_disk()
        place.clock.advance(EVERY_S)
        await part.turn()
        assert place.on_disk() == names, "it is done"
        await place.open()
        await place.expiring(Retention(said)).turn()
        assert services(place) == left

    archived(body)


@pytest.mark.parametrize("said", [{(None, None): DAY_S}, {(None, "pay"): DAY_S}])
def test_what_cannot_be_noted_does_not_go(
    said: dict[tuple[str | None, str | None], float], archived: Kept
) -> None:
    async def body(place: Place) -> None:
        await place.step(5)
        before = place.rows()
        place.clock.jump_wall(3 * DAY_S)
        part = place.expiring(Retention(said))
        place.forgetful = True
        with pytest.raises(StoreError, match="noted"):
            await part.turn()
        assert place.rows() == before
        place.forgetful = False
        await part.turn()
        assert len(place.rows()) < len(before)
        await place.open()
        assert place.on_disk() == place.archive.manifest.paths()

    archived(body)


def test_a_deletion_that_was_cut_short_is_noted_once(
    archived: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(place: Place) -> None:
        await place.step(5)
        place.clock.jump_wall(3 * DAY_S)

        async def fail(*_: object) -> None:
            raise StoreError("the disk is full")

        for said in ({(None, "pay"): DAY_S}, {(None, None): DAY_S}):
            part = place.expiring(Retention(said))
            with monkeypatch.context() as patch:
                patch.setattr(place.archive, "swap", fail)
                with pytest.raises(StoreError):
                    await part.turn()
            await part.turn()
        assert place.rows() == []
        assert [one.rows for one in place.noted.values()] == [2, 4]

    archived(body)


def test_beside_an_overload_files_go_whole_and_none_is_written(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.step(5)
        await place.step(5, tenant="other")
        place.clock.jump_wall(3 * DAY_S)
        place.busy = True
        said = {("shop", "pay"): DAY_S, ("other", None): DAY_S}
        await place.expiring(Retention(said)).turn()
        assert services(place) == {"cart": 2, "pay": 2, "ads": 2}
        assert place.files(tenant="other") == []

    archived(body)


def test_a_damaged_file_is_not_written_anew_but_may_go(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.step(5)
        [file] = place.files()
        path = place.folder / file.path
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        place.clock.jump_wall(3 * DAY_S)
        with pytest.raises(StoreError):
            await place.expiring(Retention({(None, "pay"): DAY_S})).turn()
        assert place.files() == [file]
        await place.expiring(Retention({(None, None): DAY_S})).turn()
        assert place.files() == []

    archived(body)
