"""Counts of findings in the real control store of both kinds: they add up, and are bounded."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from books import Desk, listed, only, place
from places import Place as Store
from sqlalchemy import func, select

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding
from tailrace.governance.control import Control
from tailrace.governance.database import NAME
from tailrace.governance.findings import sweep, table
from tailrace.governance.findings.book import Book
from tailrace.governance.findings.place import OTHERS, cleaned, id_of
from tailrace.governance.findings.tally import SPAN_NS, Tallies
from tailrace.governance.schema import (
    FINDING_HOURS,
    FINDING_SPANS,
    FINDING_WRITERS,
    FINDINGS,
    MIGRATIONS,
    PLACE_FIELDS,
)

HOUR_S = 3_600.0
DAY_S = 86_400.0


@pytest.fixture
def desk(place: Store) -> Desk:
    return Desk(place)


async def counted(book: Book, of: Any) -> int:
    return int(
        await book._control.read(lambda c: c.execute(select(func.count()).select_from(of)).scalar())
    )


def test_the_table_has_every_field_of_a_place() -> None:
    assert place().__struct_fields__ == PLACE_FIELDS


def test_hits_of_a_place_add_up_in_one_row(desk: Desk) -> None:
    async def use(book: Book) -> None:
        first_ns = desk.clock.wall_ns()
        for hits in (3, 4):
            book.note([desk.found(hits), desk.found(1, version="2.4.2")])
            desk.clock.advance(1.0)
        await book.write()
        book.note([desk.found(5)])
        await book.write()
        known = await only(book, since_ns=first_ns + 2 * 10**9)
        assert known.finding == Finding(place(), 12, first_ns, first_ns + 2 * 10**9)
        assert known.hits_last_hour == 12
        assert known.id == id_of(place())
        assert book.waiting == 0
        assert await counted(book, FINDINGS) == 2

    desk.run(use)


def test_what_several_gateways_found_adds_up(desk: Desk) -> None:
    async def use(one: Book, two: Book) -> None:
        first_ns = desk.clock.wall_ns()
        two_found = desk.found(20)
        desk.clock.advance(2 * HOUR_S)
        one.note([desk.found(1)])
        await one.write()
        two.note([two_found])
        await two.write()
        for _ in range(5):
            one.note([desk.found(1)])
            two.note([desk.found(1), desk.found(1, field="other")])
            await asyncio.gather(one.write(), two.write())
        sums = {k.finding.place.field: k for k in await listed(two)}
        assert sums["card.number"].finding.hits == 31
        assert sums["card.number"].finding.first_ns == first_ns
        assert sums["card.number"].finding.last_ns == desk.clock.wall_ns()
        assert sums["card.number"].hits_last_hour == 11
        assert sums["other"].finding.hits == 5
        found = await one.one("shop", sums["card.number"].id)
        assert found is not None
        assert list(found[1].values()) == [20, 11]

    desk.run_two(use)


def test_a_restart_keeps_what_was_noted(desk: Desk) -> None:
    async def before(book: Book) -> None:
        book.note([desk.found(7)])

    async def after(book: Book) -> None:
        book.note([desk.found(1)])
        await book.write()
        assert (await only(book)).finding.hits == 8

    desk.run(before)
    desk.run(after)


class Failing:
    """A control store that fails: before the work, or after it was done."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.fails: str = ""

    async def run(self, work: Callable[[Any], Any], durable: bool = False) -> Any:
        if self.fails == "before":
            raise StoreError("away")
        found = await self.control.run(work, durable)
        if self.fails == "after":
            raise StoreError("went away")
        return found

    async def read(self, work: Callable[[Any], Any]) -> Any:
        return await self.control.read(work)


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_write_that_failed_loses_and_doubles_nothing(desk: Desk, fails: str) -> None:
    async def work(control: Control) -> None:
        failing = Failing(control)
        book = desk.book(failing)  # type: ignore[arg-type]
        book.note([desk.found(2)])
        await book.write()
        failing.fails = fails
        book.note([desk.found(3), desk.found(1, service="web")])
        for _ in range(3):
            with pytest.raises(StoreError):
                await book.write()
            book.note([desk.found(10)])
        await book.look()
        assert book.waiting == 3
        failing.fails = ""
        await book.look()
        assert book.waiting == 0
        assert desk.metrics.get("tailrace_findings_waiting") == 0
        hits = {k.finding.place.service: k.finding.hits for k in await listed(book)}
        assert hits == {"payments": 35, "web": 1}
        assert sorted(f.place.service for f, _ in desk.raised) == ["payments", "web"]

    desk.store.use(work)


def test_a_write_that_is_cancelled_counts_once(desk: Desk) -> None:
    async def use(book: Book) -> None:
        book.note([desk.found(2)])
        writing = asyncio.create_task(book.write())
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await book.write()
        assert (await only(book)).finding.hits == 2
        assert len(desk.raised) == 1

    desk.run(use)


def test_a_store_that_stays_away_is_told_of_and_fails_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(control: Control) -> None:
        failing = Failing(control)
        failing.fails = "before"
        book = desk.book(failing)  # type: ignore[arg-type]
        book.note([desk.found(2)])
        await book.look()
        await book.close()
        said = [record.getMessage() for record in caplog.records]
        assert said == [
            "findings cannot be written; they are kept in memory and tried again",
            "findings could not be written and are lost",
        ]
        assert desk.metrics.get("tailrace_findings_waiting") == 1

    desk.store.use(work)


def test_hits_that_waited_for_the_store_count_in_their_own_hours(desk: Desk) -> None:
    async def use(book: Book) -> None:
        began_s = desk.clock.wall_ns() / 1e9
        for _ in range(4):
            book.note([desk.found(10)])
            desk.clock.advance(HOUR_S / 2)
        await book.write()
        known = await only(book)
        assert known.hits_last_hour == 10
        found = await book.one("shop", known.id)
        assert found is not None
        assert sum(found[1].values()) == 40
        assert len(found[1]) in (2, 3)
        assert all(start_ns % (3_600 * 10**9) == 0 for start_ns in found[1])
        assert min(found[1]) <= began_s * 1e9

    desk.run(use)


def test_notes_of_many_threads_are_all_counted() -> None:
    tallies = Tallies()

    def note() -> None:
        for number in range(500):
            tallies.note([Finding(place(), 1, number, number)] * 2)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((_, tally),) = tallies.take(10).items()
    assert (tally.hits, tally.first_ns, tally.last_ns) == (4_000, 0, 499)
    assert len(tallies) == 0


def test_memory_is_bounded_and_what_is_beyond_is_counted_with_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FINDING_PLACES_HELD", 3)
    monkeypatch.setattr(limits, "FINDING_SERVICES", 2)
    tallies = Tallies()
    many = [place(service=f"s{n}", field=f"f{m}") for n in range(20) for m in range(3)]
    joined = tallies.note([Finding(one, 1, 5, 5) for one in many])
    assert joined == 57
    found = tallies.take(100)
    assert [(p.service, p.field) for p in found] == [
        ("s0", "f0"), ("s0", "f1"), ("s0", "f2"),
        ("s1", OTHERS), ("s2", OTHERS), (OTHERS, OTHERS),
    ]  # fmt: skip
    assert sum(tally.hits for tally in found.values()) == 60


def test_the_spans_of_a_place_that_waits_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDING_SPANS_HELD", 3)
    tallies = Tallies()
    for span in range(9):
        tallies.note([Finding(place(), 1, span * SPAN_NS, span * SPAN_NS + 7)])
    ((_, tally),) = tallies.take(1).items()
    assert tally.spans == {6 * SPAN_NS: 7, 7 * SPAN_NS: 1, 8 * SPAN_NS: 1}
    assert (tally.first_ns, tally.last_ns) == (0, 8 * SPAN_NS + 7)


def test_places_of_a_tenant_are_bounded_in_the_table(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FINDING_PLACES", 4)
    monkeypatch.setattr(limits, "FINDING_SERVICES", 2)
    monkeypatch.setattr(limits, "FINDING_PLACES_WRITTEN", 5)

    async def use(book: Book) -> None:
        for number in range(30):
            book.note([desk.found(1, service=f"s{number // 3}", field=f"f{number % 3}")])
        book.note([desk.found(1, tenant="other")])
        for _ in range(2):
            await book.write()
            book.note([desk.found(5, service="s0", field="f0"), desk.found(5, service="new")])
        await book.write()
        hits = {(p.service, p.field): k.finding.hits for k in await listed(book)
                for p in [k.finding.place]}  # fmt: skip
        assert hits == {
            ("s0", "f0"): 11, ("s0", "f1"): 1, ("s0", "f2"): 1, ("s1", "f0"): 1,
            ("s1", OTHERS): 2, ("s2", OTHERS): 3, (OTHERS, OTHERS): 21 + 10,
        }  # fmt: skip
        assert len(await listed(book, "other")) == 1
        assert desk.metrics.get("tailrace_findings_joined_total", "table") == 36
        assert desk.metrics.get("tailrace_findings_joined_total", "memory") == 0

    desk.run(use)


def test_no_text_of_a_place_is_long_or_sent_raw_to_a_terminal(desk: Desk) -> None:
    hostile = "\x1b[2J\x00\r\n\u202e\ud800é\t" * 500
    texts = dict.fromkeys(
        ("service", "version", "environment", "detector", "field", "code"), hostile
    )

    async def use(book: Book) -> None:
        book.note([desk.found(1, **texts)])
        await book.write()
        known = await only(book)
        for name in texts:
            kept = getattr(known.finding.place, name)
            assert kept.startswith("\\x1b[2J\\x00\\r\\n\\u{202e}\\u{d800}é ")
            assert kept.isprintable()
            assert len(kept) <= limits.FINDING_FIELD_CHARS
        assert cleaned(known.finding.place) == known.finding.place
        assert book.sentence(known, desk.clock.wall_ns()).isprintable()
        assert msgspec.json.encode(known)

    desk.run(use)


def test_no_number_of_hits_makes_a_write_fail(desk: Desk) -> None:
    async def use(book: Book) -> None:
        huge = Finding(place(), 2**200, -5, 2**90)
        for _ in range(3):
            book.note([huge, Finding(place(), 0, 1, 1), Finding(place(), -4, 1, 1)])
            await book.write()
        known = await only(book)
        assert known.finding.hits == 3 * 10**12

    desk.run(use)


def test_tenants_do_not_see_one_another(desk: Desk) -> None:
    async def use(book: Book) -> None:
        book.note([desk.found(1), desk.found(2, tenant="bank")])
        await book.write()
        ours, theirs = await listed(book, "shop"), await listed(book, "bank")
        assert [k.finding.hits for k in (*ours, *theirs)] == [1, 2]
        assert ours[0].id != theirs[0].id
        assert await book.one("shop", theirs[0].id) is None
        assert await listed(book, "nobody") == []

    desk.run(use)


def test_so_many_places_are_written_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDING_PLACES_WRITTEN", 3)
    sizes: list[int] = []
    write = table.write

    def counting(connection: Any, batch: table.Batch, threshold: Any) -> table.Written:
        sizes.append(len(batch.tallies))
        return write(connection, batch, threshold)

    monkeypatch.setattr(table, "write", counting)

    async def use(book: Book) -> None:
        book.note([desk.found(1, field=f"f{number}") for number in range(7)])
        await book.write()
        assert sizes == [3, 3, 1]

    desk.run(use)


def test_so_many_old_rows_are_deleted_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDING_ROWS_DELETED", 2)

    async def use(book: Book) -> None:
        book.note([desk.found(1, field=f"f{number}") for number in range(5)])
        await book.write()
        later_ns = desk.clock.wall_ns() + int((HOUR_S + 1) * 1e9)
        assert await book._control.run(lambda connection: sweep.expire(connection, later_ns))
        assert await counted(book, FINDING_SPANS) == 3

    desk.run(use)


def test_what_is_old_is_deleted_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINDING_ROWS_DELETED", 2)

    async def use(book: Book) -> None:
        for number in range(5):
            book.note([desk.found(1, field=f"f{number}")])
        await book.write()
        desk.clock.advance(HOUR_S + 1)
        book.note([desk.found(1, field="f0")])
        await book.look()
        sizes = [await counted(book, t) for t in (FINDINGS, FINDING_HOURS, FINDING_SPANS)]
        assert sizes == [5, 6, 1]
        desk.clock.advance(limits.FINDING_HOURS_S - 10)
        await book.look()
        sizes = [await counted(book, t) for t in (FINDINGS, FINDING_HOURS, FINDING_SPANS)]
        assert sizes == [5, 1, 0]
        desk.clock.advance(DAY_S)
        await book.look()
        assert [await counted(book, t) for t in (FINDING_HOURS, FINDING_WRITERS)] == [0, 0]
        desk.clock.advance(limits.FINDING_MEMORY_S - limits.FINDING_HOURS_S - DAY_S)
        await book.look()
        assert [k.finding.place.field for k in await listed(book)] == ["f0"]
        desk.clock.advance(HOUR_S + 2)
        await book.look()
        assert await listed(book) == []

    desk.run(use)


def test_places_of_old_releases_make_room_for_new_ones(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FINDING_PLACES", 3)

    async def use(book: Book) -> None:
        for version in "123":
            book.note([desk.found(1, version=version)])
        book.note([desk.found(1, tenant="bank")])
        await book.write()
        desk.clock.advance(limits.FINDING_HOURS_S + 1)
        book.note([desk.found(1, version="3"), desk.found(1, version="4")])
        await book.look()
        book.note([desk.found(1, version="4")])
        await book.write()
        found = {k.finding.place.version: k.finding.hits for k in await listed(book)}
        assert found == {"3": 2, "": 1, "4": 1}
        assert len(await listed(book, "bank")) == 1

    desk.run(use)


def test_a_store_without_the_tables_gets_them_and_keeps_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = [tables for tables in MIGRATIONS if FINDINGS not in tables]
    assert len(before) == len(MIGRATIONS) - 1
    Desk(store).run(lambda book: asyncio.sleep(0))
    with sqlite3.connect(tmp_path / NAME) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert {"findings", "finding_hours", "finding_spans", "finding_writers"} <= names


def test_a_batch_counts_once_whoever_hands_it_in_again(desk: Desk) -> None:
    async def use(book: Book) -> None:
        tallies = Tallies()
        tallies.note([desk.found(2)])
        batch = table.Batch("w", 1, 5, tallies.take(1))
        first, again = [
            await book._control.run(lambda c: table.write(c, batch, lambda _: 1)) for _ in range(2)
        ]
        assert [one.id for one in first.alerts] == [one.id for one in again.alerts]
        assert (await only(book)).finding.hits == 2

    desk.run(use)
