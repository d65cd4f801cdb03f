"""Who is told that answers may have changed, and from which event time on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.core.contracts import Delivery, Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame, Signal
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.logs import LogTable
from tailrace.store.tables import Tables, hot_tables
from tailrace.wire import samples
from tailrace.wire.samples import Sample
from tailrace.writer.loader import Loader

from .building import HOUR_NS, NOW, frame
from .conftest import Use

Told = tuple[str, Signal, int]


class Changes:
    def __init__(self) -> None:
        self.told: list[Told] = []

    def changed(self, tenant: str, signal: Signal, first_ns: int) -> None:
        self.told.append((tenant, signal, first_ns))

    def archived(self, tenant: str, signal: Signal, first_ns: int) -> None:
        self.told.append((f"archive of {tenant}", signal, first_ns))

    def taken(self) -> list[Told]:
        told, self.told = sorted(self.told), []
        return told


def lines(seq: int, *times: int, tenant: str = "default", rows: int | None = None) -> Frame:
    data = b"".join(b'{"time":%d,"body":"x"}\n' % time for time in times)
    fields = {} if rows is None else {"rows": rows}
    return frame(data, seq, tenant=tenant, **fields)


async def load(tables: Tables, *frames: Frame) -> None:
    deliveries = [Delivery(one, Position(1, n)) for n, one in enumerate(frames)]
    queue = None  # of dead letters, of which there are none
    await Loader(queue, tables, Metrics()).load(deliveries)  # type: ignore[arg-type]


def test_each_tenant_and_signal_is_told_with_its_first_event_time(use: Use, tmp_path: Path) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        changes = Changes()
        tables = hot_tables(engine, tmp_path, changes)
        late = NOW - 5 * HOUR_NS
        points = [Sample(NOW - 1, "m", 1.0), Sample(NOW, "m", 2.0)]
        await load(
            tables,
            lines(1, NOW, NOW - 7),
            lines(2, NOW - 3, late, NOW),
            lines(3, NOW - 9, tenant="other"),
            frame(samples.encode(points), 4, signal=Signal.METRICS),
        )
        assert changes.taken() == [
            ("default", Signal.LOGS, late),
            ("default", Signal.METRICS, (NOW - 1) // 1_000_000 * 1_000_000),
            ("other", Signal.LOGS, NOW - 9),
        ]
        await load(tables, lines(5, NOW))
        assert changes.taken() == [("default", Signal.LOGS, NOW)]

    use(body)


def test_rows_that_are_taken_out_are_told_of_whatever_their_time_was(
    use: Use, tmp_path: Path
) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        changes = Changes()
        tables = hot_tables(engine, tmp_path, changes)
        one = lines(1, NOW)
        await load(tables, one)
        changes.taken()
        await tables.remove([one.header])
        assert changes.taken() == [("default", Signal.LOGS, 0)]

    use(body)


def test_a_frame_that_went_the_slow_way_is_told_of(use: Use, tmp_path: Path) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        changes = Changes()
        await load(hot_tables(engine, tmp_path, changes), lines(1, NOW - 2, NOW, rows=3))
        assert ("default", Signal.LOGS, 0) in changes.told
        assert changes.told[-1] == ("default", Signal.LOGS, NOW - 2)

    use(body)


def test_what_may_have_been_taken_out_is_told_of_too(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        async def fail(_sql: str) -> None:
            raise StoreError("no room")

        changes = Changes()
        tables = hot_tables(engine, tmp_path, changes)
        with monkeypatch.context() as broken:
            broken.setattr(engine, "write", fail)
            with pytest.raises(StoreError):
                await tables.remove([lines(1, NOW).header])
        assert changes.taken() == [("default", Signal.LOGS, 0)]

    use(body)


def test_what_is_archived_is_told_and_below_the_horizon_as_what_queries_read(
    use: Use, tmp_path: Path
) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        changes, tables = Changes(), hot_tables(engine, tmp_path)
        archive, horizon = Archive(engine, tmp_path / "archive"), Horizon(tmp_path / "horizon")
        await archive.open(changes, horizon)
        hour = NOW // HOUR_NS * HOUR_NS
        sent = [
            lines(1, hour - 5, hour + 7, hour + 8),
            frame(samples.encode([Sample(hour - 2_000_000, "m", 1.0)]), 2, signal=Signal.METRICS),
        ]
        await load(tables, *sent)
        await archive.step([sent[0].header], [], Position(1, 1))
        of = "archive of default"
        assert changes.taken() == [(of, Signal.LOGS, hour - 5), (of, Signal.LOGS, hour + 7)]
        horizon.raise_to(hour, Position(1, 1))
        await archive.step([one.header for one in sent], [], Position(1, 2))
        assert changes.taken() == [
            (of, Signal.LOGS, hour - 5),
            (of, Signal.LOGS, hour + 7),
            (of, Signal.METRICS, hour - 2_000_000),
            ("default", Signal.LOGS, hour - 5),
            ("default", Signal.METRICS, hour - 2_000_000),
        ]

    use(body)
