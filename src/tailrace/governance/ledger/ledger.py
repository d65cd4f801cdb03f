"""The ledger: whether every frame that agents delivered is there.

An agent says below which number every frame was acknowledged or is lost (core.fleet.Settled). Once
the writer and the archiver have handled what was in the queue when it said so, each of those frames
is recorded where it is stored or archived, or is a dead letter, or a loss, or the guard let nothing
of it pass. A frame that none of these witnesses knows is missing: a gap, which is closed when one
of them knows of it later.

What was checked is not looked at again. A crash costs a look, which the next announcement begins
anew: marks and gaps are written together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Connection

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Registry, Witness
from tailrace.core.errors import StoreError
from tailrace.core.fleet import Announcement, Settled
from tailrace.core.ledger import Numbering, Range, Span, without
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.ledger import away, gaps, known, marks
from tailrace.governance.ledger.gaps import Change, Gap, Gaps
from tailrace.governance.ledger.marks import Marks

_log = log.get("governance")
LOOK_S = 5.0
# Witnesses are asked for at most one part of so many of the time: what agents say gathers
# meanwhile, and one question has it all.
ASKING_SHARE = 20
SWEEP_S = 3600.0
# New gaps that are named in the log, of one look.
_NAMED = 5


class Ledger:
    """A Registry in front of one. `open` before anything else; `run` looks.

    One for each process and event loop, and for one control store.
    """

    def __init__(
        self,
        behind: Registry,
        control: Control,
        witnesses: Sequence[Witness],
        passed: Callable[[], Awaitable[bool]],
        clock: Clock,
        metrics: Metrics,
        heard: Callable[[str, Announcement], None] = lambda tenant, said: None,
    ) -> None:
        """`witnesses` are asked one after the other, each for what those before it do not know.
        `passed` waits until all that is in the queue when it is called was handled, and is False
        when it gave up. `heard` is told what was announced and kept."""
        self._behind = behind
        self._control = control
        self._witnesses = witnesses
        self._passed = passed
        self._clock = clock
        self._metrics = metrics
        self._heard = heard
        self._marks = Marks(clock.wall_ns())
        self._gaps = Gaps()
        self._swept_s = clock.monotonic_s()
        self._asked_s = 0.0

    async def open(self) -> None:
        """Remember what was checked and what is missing. Raises StoreError."""
        self._marks.load(await self._control.read(marks.load))
        self._gaps.load(await self._control.read(gaps.load))
        self._metrics.set("tailrace_ledger_gap_frames", self._gaps.frames)

    async def announce(self, tenant: str, said: Announcement) -> int:
        """See Registry."""
        confirmed = await self._behind.announce(tenant, said)
        for settled in said.settled:
            await self._hear(Numbering(tenant, settled.source, settled.epoch), settled)
        self._heard(tenant, said)
        return confirmed

    async def _hear(self, one: Numbering, said: Settled) -> None:
        now_ns = self._clock.wall_ns()
        if not self._marks.knows(one):
            checked_seq = self._marks.beginning(one, said)
            gone = self._marks.begin(one, checked_seq, now_ns)

            def write(connection: Connection) -> None:
                marks.forget(connection, gone)
                marks.keep(connection, one, checked_seq, now_ns)

            await self._control.run(write)
        self._marks.hear(one, said, now_ns)

    def gaps(self, tenant: str) -> list[Gap]:
        """What is missing of a tenant's frames, found last first."""
        return self._gaps.listed(tenant)

    def waiting(self, tenant: str) -> dict[str, int]:
        """Frames that a tenant's agents have numbered and not all delivered, by source."""
        return self._marks.waiting(tenant)

    async def run(self) -> None:
        """Look again and again, until cancelled. What fails is tried again in the next look."""
        failing = False
        while True:
            await asyncio.sleep(self.pause_s)
            try:
                await self.look()
                failing = False
            except StoreError as error:
                if not failing:
                    _log.error("the ledger cannot be checked; trying again: %s", error)
                failing = True

    @property
    def pause_s(self) -> float:
        """Seconds from the end of one look to the next."""
        return max(LOOK_S, self._asked_s * ASKING_SHARE)

    async def look(self) -> None:
        """Check what agents said that they delivered, and whether gaps are filled. Raises
        StoreError; then nothing has changed."""
        await self._sweep()
        new = self._marks.due()
        old = self._gaps.some(limits.LEDGER_GAPS)
        if not (new or old) or not await self._passed():
            return
        began_s = self._clock.monotonic_s()
        missing = await self._missing([*new, *old])
        self._asked_s = self._clock.monotonic_s() - began_s
        now_ns = self._clock.wall_ns()
        change = Change()
        for span, left in zip(new, missing, strict=False):
            _add(change, self._gaps.new(span, left, now_ns))
        _told(change)
        for span, left in zip(old, missing[len(new) :], strict=True):
            _add(change, self._gaps.again(span, left))
        await self._keep(new, change, now_ns)

    async def _missing(self, spans: Sequence[Span]) -> list[list[Range]]:
        left = [[(span.first_seq, span.last_seq)] for span in spans]
        for witness in self._witnesses:
            open_ = [place for place, found in enumerate(left) if found]
            if not open_:
                break
            known_ = await witness.known([spans[place] for place in open_])
            for place, found in zip(open_, known_, strict=True):
                left[place] = without(left[place], found)
        return left

    async def _keep(self, checked: Sequence[Span], change: Change, now_ns: int) -> None:
        def write(connection: Connection) -> None:
            for span in checked:
                marks.keep(connection, span.numbering, span.last_seq + 1, now_ns)
                known.forget(connection, span.numbering, span.last_seq + 1)
            gaps.write(connection, change)

        if checked or change.gone:
            await self._control.run(write)
        for span in checked:
            self._marks.checked(span, now_ns)
            self._metrics.add("tailrace_ledger_checked_frames_total", span.frames)
        self._gaps.apply(change)
        self._metrics.set("tailrace_ledger_gap_frames", self._gaps.frames)

    async def _sweep(self) -> None:
        """Forget what is as old as agents that are forgotten."""
        if self._clock.monotonic_s() - self._swept_s < SWEEP_S:
            return
        now_ns = self._clock.wall_ns()
        before_ns = now_ns - int(limits.AGENT_MEMORY_S * 1e9)
        change, heard = self._gaps.old(before_ns), self._marks.heard_again()
        gone = self._marks.old(before_ns)

        def write(connection: Connection) -> None:
            marks.forget(connection, gone)
            for one in heard:
                marks.keep(connection, one, self._marks.checked_seq(one), now_ns)
            gaps.write(connection, change)
            known.sweep(connection, before_ns)
            away.sweep(connection, now_ns)

        await self._control.run(write)
        for one in heard:
            self._marks.kept(one, now_ns)
        self._gaps.apply(change)
        self._metrics.set("tailrace_ledger_gap_frames", self._gaps.frames)
        self._swept_s = self._clock.monotonic_s()


def _add(change: Change, more: Change) -> None:
    change.gone += more.gone
    change.come += more.come


def _told(change: Change) -> None:
    """Say what is missing that was not known to be."""
    for span, _ in change.come[:_NAMED]:
        one = span.numbering
        _log.error(
            "frames are missing that were acknowledged",
            extra={
                "tenant": one.tenant,
                "source": one.source,
                "epoch": one.epoch,
                "first_seq": span.first_seq,
                "last_seq": span.last_seq,
            },
        )
    if len(change.come) > _NAMED:
        _log.error("and more of them", extra={"gaps": len(change.come)})
