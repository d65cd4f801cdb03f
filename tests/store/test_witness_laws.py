"""The laws of a Witness. Every implementation is held to them; add one to WITNESSES.

They stand here since the engine does, of which a process has one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Delivery, Position, Witness
from tailrace.core.fleet import Announcement, Loss
from tailrace.core.frame import Frame, Header
from tailrace.core.ledger import Numbering, Span
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.fleet import Fleet
from tailrace.governance.ledger.known import GuardedAway, Lost
from tailrace.queue.buried import Buried
from tailrace.queue.dead import DeadLetters, Letter, gone
from tailrace.queue.files import OsFileSystem
from tailrace.queue.gone import Why
from tailrace.store.engine import Engine
from tailrace.store.framerecord import SPANS_AT_ONCE, FrameRecord
from tailrace.store.logs import LogTable

from .conftest import Use

# Tells what became of frames.
Tell = Callable[[Iterable[Header]], Awaitable[None]]
Given = tuple[Witness, Tell]
Law = Callable[[Witness, Tell], Awaitable[None]]
Holds = Callable[[Law], None]
WEB = Numbering("shop", "agent-web", 7)


def headers(*numbers: int, of: Numbering = WEB) -> list[Header]:
    return [Header(of.tenant, of.source, of.epoch, seq, 1, 1, 0, 5) for seq in numbers]


@asynccontextmanager
async def record(engine: Engine, path: Path) -> AsyncIterator[Given]:
    stages = [LogTable(engine, "logs", stage, path) for stage in ("hot", "bulk")]

    async def tell(found: Iterable[Header]) -> None:
        for header in found:  # some of them twice
            for table in stages[header.seq % 2 :]:
                await table.remember([Delivery(Frame(header, b""), Position(1, header.seq))])

    yield FrameRecord(engine), tell


@asynccontextmanager
async def dead(_: Engine, path: Path) -> AsyncIterator[Given]:
    letters = DeadLetters(OsFileSystem(), path / "dead", 500, 1 << 20)
    letters.open()

    async def tell(found: Iterable[Header]) -> None:
        letters.bury(Letter("corrupt", 5, found=Position(1, 1)), b"broken bytes")
        for header in found:
            letters.bury(Letter("unreadable", 5, header), b"x" * 100)

    yield Buried(OsFileSystem(), path / "dead"), tell
    letters.close()


@asynccontextmanager
async def dropped(_: Engine, path: Path) -> AsyncIterator[Given]:
    letters = DeadLetters(OsFileSystem(), path / "dead", 500, 1 << 20)
    letters.open()

    async def tell(found: Iterable[Header]) -> None:
        for header in found:
            letters.bury(Letter("unreadable", 5, header), b"x" * 100)
            letters.remove([gone(one, Why.DROPPED, 6) for one in letters.kept()])

    yield Buried(OsFileSystem(), path / "dead"), tell
    letters.close()


@asynccontextmanager
async def lost(_: Engine, path: Path) -> AsyncIterator[Given]:
    async with opened(path) as control:
        fleet = Fleet(control, ManualClock(), Metrics())

        async def tell(found: Iterable[Header]) -> None:
            for h in found:
                loss = Loss(h.source, h.epoch, h.seq, h.seq, 1, 1, "refused", 5)
                said = Announcement(
                    source=h.source, version="1", host="h", pid=1, started_ns=1, interval_s=15.0,
                    losses=[loss],
                )  # fmt: skip
                await fleet.announce(h.tenant, said)

        yield Lost(control), tell


@asynccontextmanager
async def guarded(_: Engine, path: Path) -> AsyncIterator[Given]:
    async with opened(path) as control:
        away = GuardedAway(control, ManualClock())

        async def tell(found: Iterable[Header]) -> None:
            await away.note(list(found))

        yield away, tell


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Control]:
    control = Control(path / "control")
    await control.open()
    try:
        yield control
    finally:
        await control.close()


WITNESSES: Mapping[str, Callable[[Engine, Path], AbstractAsyncContextManager[Given]]] = {
    "record of frames": record,
    "dead letters": dead,
    "dropped dead letters": dropped,
    "losses of agents": lost,
    "dropped by the guard": guarded,
}


@pytest.fixture(params=WITNESSES)
def holds(request: pytest.FixtureRequest, use: Use, tmp_path: Path) -> Holds:
    def run(law: Law) -> None:
        async def body(_: LogTable, engine: Engine) -> None:
            async with WITNESSES[request.param](engine, tmp_path) as (witness, tell):
                await law(witness, tell)

        use(body)

    return run


def test_it_knows_what_it_was_told_within_each_span(holds: Holds) -> None:
    async def law(witness: Witness, tell: Tell) -> None:
        await tell(headers(12, 3, 4, 5, 9, 4))
        spans = [Span(WEB, 1, 20), Span(WEB, 4, 9), Span(WEB, 6, 8), Span(WEB, 12, 12)]
        assert await witness.known(spans) == [
            [(3, 5), (9, 9), (12, 12)], [(4, 5), (9, 9)], [], [(12, 12)],
        ]  # fmt: skip
        assert await witness.known([]) == []

    holds(law)


def test_it_tells_numberings_apart(holds: Holds) -> None:
    others = [
        Numbering("bank", WEB.source, WEB.epoch),
        Numbering(WEB.tenant, "agent-o'x\\", WEB.epoch),
        Numbering(WEB.tenant, WEB.source, WEB.epoch + 1),
    ]

    async def law(witness: Witness, tell: Tell) -> None:
        for seq, one in enumerate([WEB, *others], 1):
            await tell(headers(seq, of=one))
        spans = [Span(one, 1, 9) for one in (*others, WEB)]
        assert await witness.known(spans) == [[(2, 2)], [(3, 3)], [(4, 4)], [(1, 1)]]

    holds(law)


def test_it_knows_what_it_hears_later(holds: Holds) -> None:
    async def law(witness: Witness, tell: Tell) -> None:
        assert await witness.known([Span(WEB, 1, 99)]) == [[]]
        for last in range(1, 12):
            await tell(headers(last))
            assert await witness.known([Span(WEB, 1, 99)]) == [[(1, last)]]

    holds(law)


def test_many_spans_of_many_are_answered_each(holds: Holds) -> None:
    numberings = [Numbering("shop", f"agent-{n}", 7) for n in range(SPANS_AT_ONCE + 3)]

    async def law(witness: Witness, tell: Tell) -> None:
        for seq, one in enumerate(numberings, 1):
            await tell(headers(seq, of=one))
        found = await witness.known([Span(one, 1, 999) for one in numberings])
        assert found == [[(seq, seq)] for seq, _ in enumerate(numberings, 1)]

    holds(law)


def test_dead_letters_are_known_while_one_is_written_and_when_they_are_deleted(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEAD_LETTERS_KNOWN", 3)

    async def body(_: LogTable, engine: Engine) -> None:
        async with dead(engine, tmp_path) as (witness, tell):
            await tell(headers(1, 2))
            last = max((tmp_path / "dead").glob("*.seg"))
            whole = last.read_bytes()
            last.write_bytes(whole[:-50])
            assert await witness.known([Span(WEB, 1, 9)]) == [[(1, 1)]]
            last.write_bytes(whole)
            assert await witness.known([Span(WEB, 1, 9)]) == [[(1, 2)]]
            for path in (tmp_path / "dead").glob("*.seg"):
                if path != last:
                    path.unlink()
            assert await witness.known([Span(WEB, 1, 9)]) == [[(1, 2)]]
            await tell(headers(3, 4))  # more than are remembered
            assert await witness.known([Span(WEB, 1, 9)]) == [[(2, 4)]]

    use(body)
