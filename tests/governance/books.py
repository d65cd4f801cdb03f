"""A book of findings whose clock is driven, on a real control store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from places import Place as Store

from tailrace.core.clock import ManualClock
from tailrace.core.finding import Finding, Place
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.findings.book import Book
from tailrace.governance.findings.known import Known, Wanted

TITLES = {"pan": "card numbers", "email": "e-mail addresses"}
PAYMENTS = Place(
    "shop", "payments", "2.4.1", "production", "pan", "card.number", "billing.py:88", "pseudonymise"
)


def place(**fields: Any) -> Place:
    known = {name: getattr(PAYMENTS, name) for name in PAYMENTS.__struct_fields__}
    return Place(**{**known, **fields})


def threshold(of: Place) -> int | None:
    """As the guard's: what is approved never alerts, e-mail addresses are usual."""
    return None if of.action == "approved" else {"email": 100}.get(of.detector, 1)


class Desk:
    """Several books on one store, as of several gateways; `raised` has what any of them raised."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.raised: list[tuple[Finding, str]] = []

    def book(self, control: Control) -> Book:
        return Book(
            control,
            self.clock,
            self.metrics,
            threshold,
            TITLES,
            kinds=("pan",),
            raised=lambda finding, sentence: self.raised.append((finding, sentence)),
        )

    def found(self, hits: int = 1, **fields: Any) -> Finding:
        now_ns = self.clock.wall_ns()
        return Finding(place(**fields), hits, now_ns, now_ns)

    def run(self, use: Callable[[Book], Awaitable[None]]) -> None:
        """One process: its book is closed at the end."""

        async def work(control: Control) -> None:
            book = self.book(control)
            await book.open()
            await use(book)
            await book.close()

        self.store.use(work)

    def run_two(self, use: Callable[[Book, Book], Awaitable[None]]) -> None:
        async def main() -> None:
            controls = [self.store.control() for _ in range(2)]
            for control in controls:
                await control.open()
            try:
                one, two = map(self.book, controls)
                await use(one, two)
                await one.close()
                await two.close()
            finally:
                for control in controls:
                    await control.close()

        asyncio.run(main())


async def listed(
    book: Book, tenant: str = "shop", limit: int = 1_000, **wanted: Any
) -> list[Known]:
    return await book.listed(tenant, Wanted(**wanted), limit)


async def only(book: Book, **wanted: Any) -> Known:
    (known,) = await listed(book, **wanted)
    return known
