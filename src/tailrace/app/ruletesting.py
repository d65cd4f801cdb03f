"""Unit tests of rules over a store in a folder of its own, which is gone afterwards."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.payload import compress
from tailrace.core.sample import Sample
from tailrace.query.service import QueryService
from tailrace.store.engine import Engine
from tailrace.store.tables import Tables, hot_tables
from tailrace.wire import loki
from tailrace.wire import samples as wire
from tailrace.wire.content import Content

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
        if samples:
            data = wire.encode(samples)
            await self._put(
                tenant, Content(Codec.RECORDS, data, len(samples), signal=Signal.METRICS)
            )

    async def put_lines(
        self, tenant: str, labels: Mapping[str, str], lines: Sequence[tuple[int, str]]
    ) -> None:
        """See Bench. As a push of Loki's protocol, so that labels become what they do there."""
        values = [[str(time_ns), text] for time_ns, text in lines]
        push = {"streams": [{"stream": dict(labels), "values": values}]}
        await self._put(tenant, loki.decode_json(msgspec.json.encode(push)))

    async def _put(self, tenant: str, content: Content) -> None:
        header = Header(
            tenant=tenant, source="rules test", epoch=1, seq=next(self._numbers),
            rows=content.rows, bytes=len(content.data), checksum=0, received_ns=_RECEIVED_NS,
            signal=content.signal, codec=content.codec, hints=content.hints,
            resource=content.resource,
        )  # fmt: skip
        await self._tables.insert([Frame(header, compress(content.data))])


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
