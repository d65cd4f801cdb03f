"""The book of what the guard found: counted in memory, written every few seconds, read by people.

A place that reaches its threshold within an hour begins to alert: one line in the own log, one call
of `raised`. It stops when it was below for an hour, and may then alert again. Whether it alerts is
kept in the table, so of several gateways on one store one tells it.

What was noted since the last write is in memory alone: a process that is killed loses the counts of
some two seconds, or of as long as the store could not be written, and the line and the call for an
alert that began with its last write, though not its state. The places and values that were counted
went through the guard either way. A process that is stopped writes all.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.findings import known, sweep, table
from tailrace.governance.findings.known import Known, Wanted
from tailrace.governance.findings.sentence import sentence
from tailrace.governance.findings.table import Batch, Threshold, Written
from tailrace.governance.findings.tally import Tallies

_log = log.get("governance")
WRITE_S = 2.0
SWEEP_S = 300.0
_WRITER_BYTES = 8
Raised = Callable[[Finding, str], None]


def nobody(_finding: Finding, _sentence: str) -> None:
    """Tells nobody."""


class Book:
    """A core.contracts.Findings. `open`, then `run` beside all else; `close` writes the rest.

    `threshold` must not raise and is asked in another thread. `titles` has words for a detector:
    "pan" is "card numbers". `kinds` are the detectors that are constants of the code, for counts;
    others are "custom". `raised` is given what begins to alert, with its sentence, on the event
    loop: it must neither block nor raise.
    """

    def __init__(
        self,
        control: Control,
        clock: Clock,
        metrics: Metrics,
        threshold: Threshold,
        titles: Mapping[str, str],
        kinds: Collection[str] = (),
        raised: Raised = nobody,
    ) -> None:
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._threshold = threshold
        self._titles = titles
        self._kinds = frozenset(kinds)
        self._raised = raised
        self._tallies = Tallies()
        self._writer = secrets.token_hex(_WRITER_BYTES)
        self._number = 0
        self._at_ns = 0
        self._batch: Batch | None = None
        self._writing = asyncio.Lock()
        self._swept_s = clock.monotonic_s()

    def note(self, found: Sequence[Finding]) -> None:
        """See core.contracts.Findings. From any thread."""
        if joined := self._tallies.note(found):
            self._metrics.add("tailrace_findings_joined_total", joined, "memory")

    async def open(self) -> None:
        """Let what is too old go, and alerts end that were over. Raises StoreError."""
        await self.sweep()

    async def run(self) -> None:
        """Write and sweep until it is cancelled."""
        while True:
            await asyncio.sleep(WRITE_S)
            await self.look()

    async def look(self) -> None:
        """Write what was noted; now and then let the old go. A store that fails is asked again."""
        try:
            await self.write()
            if self._clock.monotonic_s() - self._swept_s >= SWEEP_S:
                await self.sweep()
        except StoreError as error:
            _log.error(
                "findings cannot be written; they are kept in memory and tried again",
                extra={"why": str(error), "places": self.waiting},
            )
        self._metrics.set("tailrace_findings_waiting", self.waiting)

    async def close(self) -> None:
        """Write what is left; losing that is no reason to fail."""
        try:
            await self.write()
        except StoreError as error:
            _log.error(
                "findings could not be written and are lost",
                extra={"why": str(error), "places": self.waiting},
            )

    @property
    def waiting(self) -> int:
        """Places with hits that are not written."""
        return len(self._tallies) + (len(self._batch.tallies) if self._batch else 0)

    async def write(self) -> None:
        """Write all that was noted, in steps. What cannot be written stays. Raises StoreError."""
        async with self._writing:
            while batch := self._next():
                work = partial(table.write, batch=batch, threshold=self._threshold)
                written = await self._control.run(work)
                self._batch = None
                self._tell(batch, written)

    def _next(self) -> Batch | None:
        """The batch that failed, which may have been written nevertheless, or else a new one."""
        if self._batch is None and (taken := self._tallies.take(limits.FINDING_PLACES_WRITTEN)):
            self._number += 1
            # Each its own: what began to alert with a batch is known by its time.
            self._at_ns = max(self._clock.wall_ns(), self._at_ns + 1)
            self._batch = Batch(self._writer, self._number, self._at_ns, taken)
        return self._batch

    def _tell(self, batch: Batch, written: Written) -> None:
        if written.joined:
            self._metrics.add("tailrace_findings_joined_total", written.joined, "table")
        for one in written.alerts:
            said = self.sentence(one, batch.at_ns)
            _log.warning("found: %s", said, extra={"finding": one.id})
            self._raised(one.finding, said)
        kinds = Counter(self._kind(one) for one in written.alerts)
        self._metrics.add_each("tailrace_findings_alerts_total", kinds)

    def _kind(self, one: Known) -> str:
        detector = one.finding.place.detector
        return detector if detector in self._kinds else "custom"

    async def sweep(self) -> None:
        """End alerts that are over and delete what is too old. Raises StoreError."""
        self._swept_s = self._clock.monotonic_s()
        now_ns, after = self._clock.wall_ns(), ""
        end = partial(sweep.end_alerts, now_ns=now_ns, threshold=self._threshold)
        while after := await self._control.run(partial(end, after=after)):
            pass
        while await self._control.run(partial(sweep.expire, now_ns=now_ns)):
            pass

    def sentence(self, one: Known, now_ns: int) -> str:
        """See sentence.py."""
        return sentence(one, self._titles, now_ns)

    async def alerting(self) -> list[tuple[Finding, str]]:
        """All that alert, of every tenant, each with its sentence. Raises StoreError."""
        now_ns = self._clock.wall_ns()
        those = partial(known.those, terms=[known.ALERTS], now_ns=now_ns)
        return [
            (one.finding, self.sentence(one, now_ns)) for one in await self._control.read(those)
        ]

    def title(self, one: Known) -> str:
        """What its detector finds, in words."""
        detector = one.finding.place.detector
        return self._titles.get(detector, detector)

    async def listed(self, tenant: str, wanted: Wanted, limit: int) -> list[Known]:
        """At most so many of a tenant's, those last hit first. Raises StoreError."""
        read = partial(
            known.listed, tenant=tenant, wanted=wanted, now_ns=self._clock.wall_ns(), limit=limit
        )
        return await self._control.read(read)

    async def one(self, tenant: str, finding_id: str) -> tuple[Known, dict[int, int]] | None:
        """A tenant's finding with its hits by the start of an hour, if it has it. Raises
        StoreError."""
        read = partial(
            known.one, tenant=tenant, finding_id=finding_id, now_ns=self._clock.wall_ns()
        )
        return await self._control.read(read)
