"""Unit tests of rules over a store in a folder of its own, which is gone afterwards."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.core.frame import Frame, Header, Signal
from tailrace.core.payload import compress
from tailrace.core.sample import Sample
from tailrace.query.service import QueryService
from tailrace.store.engine import Engine
from tailrace.store.tables import Tables, hot_tables
from tailrace.wire import samples as wire

# Any time: nothing of a test is as old as its samples say.
_RECEIVED_NS = 1


class Workbench:
    """A Bench of promtool/running.py."""

    def __init__(self, tables: Tables, ask: Expressions) -> None:
        self.ask = ask
        self._tables = tables
        self._numbers = itertools.count(1)

    async def put(self, tenant: str, samples: Sequence[Sample]) -> None:
        """See Bench. Raises StoreError."""
        if not samples:
            return
        data = wire.encode(samples)
        header = Header(
            tenant=tenant, source="rules test", epoch=1, seq=next(self._numbers),
            rows=len(samples), bytes=len(data), checksum=0, received_ns=_RECEIVED_NS,
            signal=Signal.METRICS,
        )  # fmt: skip
        await self._tables.insert([Frame(header, compress(data))])


@asynccontextmanager
async def workbench() -> AsyncIterator[Workbench]:
    """Open while somebody needs it. Raises StoreError and OSError."""
    folder = Path(tempfile.mkdtemp(prefix="tailrace-rules-"))
    engine = Engine(folder / "store")
    try:
        (folder / "scratch").mkdir()
        await engine.open()
        service = QueryService(engine)
        try:
            yield Workbench(hot_tables(engine, folder / "scratch"), Expressions(service))
        finally:
            await service.close()
            await engine.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
