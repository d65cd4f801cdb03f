"""The laws of Findings. The book of governance is held to them, and the fake that the guard is
tested with; add one to `ALL`."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Findings
from tailrace.core.finding import Finding, Place
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.findings.book import Book
from tailrace.governance.findings.known import Wanted

from ..guard.fakes import FakeFindings
from .laws import Use, over

CARDS = Place("shop", "payments", "2.4", "", "pan", "card", "billing.py:88", "pseudonymise")
MAILS = Place("shop", "signup", "1.0", "", "email", "body", "", "pseudonymise")
# Hits by detector, of what was noted so far.
Told = Callable[[], Awaitable[Mapping[str, int]]]
Opened = AbstractAsyncContextManager[tuple[Findings, Told]]


@asynccontextmanager
async def book(path: Path) -> AsyncIterator[tuple[Findings, Told]]:
    control = Control(path)
    await control.open()
    found = Book(control, ManualClock(), Metrics(), lambda _: None, {}, ("pan", "email"))

    async def told() -> Mapping[str, int]:
        await found.write()
        listed = await found.listed("shop", Wanted(), 100)
        return {one.finding.place.detector: one.finding.hits for one in listed}

    try:
        await found.open()
        yield found, told
    finally:
        await control.close()


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[tuple[Findings, Told]]:
    found = FakeFindings()

    async def told() -> Mapping[str, int]:
        hits: Counter[str] = Counter()
        for one in found.found:
            hits[one.place.detector] += one.hits
        return hits

    yield found, told


ALL: dict[str, Callable[[Path], Opened]] = {"governance": book, "the guard's fake": fake}


run = over(ALL)


def finding(place: Place, hits: int) -> Finding:
    now_ns = ManualClock().wall_ns()
    return Finding(place, hits, now_ns, now_ns)


def test_hits_of_a_place_add_up_and_those_of_others_stay_apart(run: Callable[[Use], None]) -> None:
    async def use(findings: Findings, told: Told) -> None:
        findings.note([finding(CARDS, 2), finding(MAILS, 1)])
        assert await told() == {"pan": 2, "email": 1}
        findings.note([finding(CARDS, 3), finding(CARDS, 4)])
        assert await told() == {"pan": 9, "email": 1}

    run(use)


def test_nothing_found_is_nothing_told(run: Callable[[Use], None]) -> None:
    async def use(findings: Findings, told: Told) -> None:
        findings.note([])
        assert await told() == {}

    run(use)


def test_what_is_given_may_be_changed_afterwards(run: Callable[[Use], None]) -> None:
    async def use(findings: Findings, told: Told) -> None:
        given = [finding(CARDS, 2)]
        findings.note(given)
        given.clear()
        assert await told() == {"pan": 2}

    run(use)


def test_threads_that_note_at_once_lose_nothing(run: Callable[[Use], None]) -> None:
    async def use(findings: Findings, told: Told) -> None:
        def note() -> None:
            for _ in range(500):
                findings.note([finding(CARDS, 1)])

        threads = [threading.Thread(target=note) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert await told() == {"pan": 2_000}

    run(use)
