"""The ledger of a server, wired: what came, what became of it, and who says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.routing import BaseRoute

from tailrace.core.clock import Clock
from tailrace.core.contracts import Registry, Witness
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.ledger.books import Books
from tailrace.governance.ledger.deep import DeepReports
from tailrace.governance.ledger.http import reports, routes
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.ledger.report import Reports
from tailrace.governance.ledger.tally import Tally
from tailrace.queue.log import SegmentLog
from tailrace.store.archive import Archive
from tailrace.store.balance import Balances
from tailrace.store.deep import Deep
from tailrace.store.engine import Engine
from tailrace.store.framenumbers import FrameNumbers
from tailrace.store.horizon import Horizon
from tailrace.store.ledger import LedgerTable


class Bookkeeping:
    """`open` once engine, queue and control store are, before anything comes in.

    `tally` counts what comes, `ledger` hears what agents say.
    """

    def __init__(
        self,
        engine: Engine,
        queue: SegmentLog,
        queue_bytes: int,
        control: Control,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """`queue_bytes`: what the queue may hold, of which the ledger holds back a small part."""
        self.tally = Tally(queue_bytes // 8)
        self._engine = engine
        self._queue = queue
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._books = Books(
            LedgerTable(engine), queue, self.tally, clock, FrameNumbers(engine).forget
        )

    def ledger(
        self,
        behind: Registry,
        witnesses: Sequence[Witness],
        passed: Callable[[], Awaitable[bool]],
    ) -> Ledger:
        """Who looks for the frames that agents number, in front of a Registry. Once."""
        control, clock, metrics = self._control, self._clock, self._metrics
        hear = self._books.hear
        self._ledger = Ledger(behind, control, witnesses, passed, clock, metrics, hear)
        self._reports = Reports(
            Balances(self._engine), self._books, self._ledger, control, clock, metrics
        )
        return self._ledger

    async def open(self) -> None:
        """Raises StoreError."""
        await self._books.open()
        self._queue.follow(self.tally.wanted, 0)

    async def run(self) -> None:
        """Keep the books, until cancelled."""
        await self._books.run(self._reports.check)

    def routes(self, archive: Archive, horizon: Horizon) -> list[BaseRoute]:
        """What can be asked."""
        compared = Deep(self._engine, archive, horizon)
        deep = DeepReports(compared, self._books.handled, self._control, self._clock)
        return [*routes(self._ledger), *reports(self._reports, deep, self._clock)]
