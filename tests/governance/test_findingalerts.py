"""When a place alerts, how often it says so, and in which words."""

from __future__ import annotations

import asyncio
import logging

import pytest
from books import TITLES, Desk, listed, only, place
from places import Place as Store

from tailrace.core.finding import Finding, Place
from tailrace.governance.findings.book import SWEEP_S, Book
from tailrace.governance.findings.known import Known
from tailrace.governance.findings.place import OTHERS
from tailrace.governance.findings.sentence import sentence

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
NOON_NS = 1_790_000_000_000_000_000 - 1_790_000_000_000_000_000 % DAY_NS + 12 * HOUR_NS


@pytest.fixture
def desk(place: Store) -> Desk:
    return Desk(place)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


async def sweep(desk: Desk, book: Book, seconds: float) -> None:
    """Let time pass as a running book does."""
    while seconds > 0:
        desk.clock.advance(min(seconds, SWEEP_S))
        seconds -= SWEEP_S
        await book.look()


def test_the_first_hit_of_a_sensitive_kind_alerts_once_and_is_told_in_one_line(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    said = "payments 2.4.1 logs card numbers at billing.py:88, 1,200 an hour, first seen 08:00"

    async def use(book: Book) -> None:
        for hits in (1_200, 5):
            book.note([desk.found(hits)])
            await book.write()
        assert told(caplog) == [f"found: {said}"]
        ((finding, sentence),) = desk.raised
        assert (finding.place, finding.hits, sentence) == (place(), 1_200, said)
        assert (await only(book, alerting=True)).alerted_ns > 0
        assert desk.metrics.get("tailrace_findings_alerts_total", "pan") == 1

    desk.run(use)


def test_a_threshold_is_of_a_sliding_hour(desk: Desk) -> None:
    async def use(book: Book) -> None:
        for _ in range(5):
            book.note([desk.found(45, detector="email")])
            await sweep(desk, book, 2_400.0)
        assert not desk.raised
        assert (await only(book)).alerted_ns == 0
        for _ in range(3):
            book.note([desk.found(45, detector="email")])
            await sweep(desk, book, 1_500.0)
        ((_, said),) = desk.raised
        assert said.startswith("payments 2.4.1 logs e-mail addresses at billing.py:88, 135 an hour")
        assert desk.metrics.get("tailrace_findings_alerts_total", "custom") == 1

    desk.run(use)


def test_what_is_approved_never_alerts(desk: Desk) -> None:
    async def use(book: Book) -> None:
        book.note([desk.found(9_999, action="approved")])
        await book.write()
        assert not desk.raised
        known = await only(book, alerting=False)
        assert " logs approved card numbers at " in book.sentence(known, known.finding.last_ns)

    desk.run(use)


def test_an_alert_ends_after_an_hour_below_and_may_come_again(desk: Desk) -> None:
    async def use(book: Book) -> None:
        book.note([desk.found(1)])
        await sweep(desk, book, 3_600.0)
        assert (await only(book)).alerted_ns > 0
        book.note([desk.found(1)])
        await sweep(desk, book, 3_600.0 + 3_000.0)
        assert (await only(book)).alerted_ns > 0
        assert len(desk.raised) == 1
        await sweep(desk, book, 1_200.0)
        assert (await only(book)).alerted_ns == 0
        book.note([desk.found(1)])
        await book.write()
        assert len(desk.raised) == 2
        assert (await only(book)).alerted_ns == desk.clock.wall_ns()

    desk.run(use)


def test_many_alerts_are_swept_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.core.limits.FINDING_PLACES_WRITTEN", 2)

    async def use(book: Book) -> None:
        book.note([desk.found(1, field=f"f{n}") for n in range(7)])
        await book.write()
        assert len(await listed(book, alerting=True)) == 7
        await sweep(desk, book, 2 * 3_600.0 + SWEEP_S)
        assert await listed(book, alerting=True) == []

    desk.run(use)


def test_a_restart_forgets_no_alert_and_repeats_none(desk: Desk) -> None:
    async def again(book: Book) -> None:
        book.note([desk.found(1)])
        await book.write()
        assert (await only(book)).alerted_ns > 0

    desk.run(again)
    desk.run(again)
    assert len(desk.raised) == 1
    desk.clock.advance(2 * 3_600.0 + 1)
    desk.run(again)
    assert len(desk.raised) == 2


def test_of_several_gateways_one_tells_of_an_alert_when_all_together_reach_it(desk: Desk) -> None:
    async def use(one: Book, two: Book) -> None:
        for _ in range(3):
            for book in (one, two):
                book.note([desk.found(18, detector="email")])
            await asyncio.gather(one.write(), two.write())
        ((finding, _),) = desk.raised
        assert finding.hits == 108

    desk.run_two(use)


def test_hits_that_waited_long_for_the_store_still_alert(desk: Desk) -> None:
    async def use(book: Book) -> None:
        book.note([desk.found(3)])
        desk.clock.advance(5 * 3_600.0)
        await book.write()
        ((_, said),) = desk.raised
        assert said.endswith("3 an hour, first seen 08:00")
        assert (await only(book)).hits_last_hour == 0

    desk.run(use)


def words(of: Place, hits: int = 3, first_ns: int = NOON_NS) -> str:
    known = Known("id", Finding(of, 9, first_ns, NOON_NS), hits, 0, 0)
    return sentence(known, TITLES, NOON_NS + 7_320 * 10**9)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "payments 2.4.1 logs card numbers at billing.py:88"),
        ({"version": ""}, "payments logs card numbers at billing.py:88"),
        ({"code": ""}, "payments 2.4.1 logs card numbers in the field card.number"),
        (
            {"code": "", "field": "card declined *"},
            "payments 2.4.1 logs card numbers in lines like 'card declined *'",
        ),
        ({"code": "", "field": "*"}, "payments 2.4.1 logs card numbers in lines like '*'"),
        ({"code": "", "field": ""}, "payments 2.4.1 logs card numbers"),
        (
            {"service": "", "version": ""},
            "a service without a name logs card numbers at billing.py:88",
        ),
        ({"detector": "badge"}, "payments 2.4.1 logs badge at billing.py:88"),
        (
            {"version": "", "code": "", "field": OTHERS},
            "payments logs card numbers in other places",
        ),
        (
            {"service": OTHERS, "version": "", "code": "", "field": OTHERS},
            "another service logs card numbers in other places",
        ),
    ],
)
def test_a_sentence_says_who_what_and_where(fields: dict[str, str], said: str) -> None:
    assert words(place(**fields)) == f"{said}, 3 an hour, first seen 12:00"


def test_a_sentence_names_the_day_when_it_is_not_today() -> None:
    assert words(place(), 0, NOON_NS - DAY_NS).endswith(
        "billing.py:88, not in the last hour, first seen 2026-09-20 12:00"
    )
