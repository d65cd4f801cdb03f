"""The feeder of every input that fetches: by schedule, into its intake.

An intake without room makes the run wait, and the runs that come due meanwhile are left out and
counted: the agent holds no more of them than the disk takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tailrace.agent.feeds.intake import Batch, Intake
from tailrace.agent.feeds.schedule import Schedule
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits, log
from tailrace.core.clock import SystemClock
from tailrace.core.frame import Codec, Signal
from tailrace.wire import samples
from tailrace.wire.samples import Sample

_log = log.get("agent")
PUT_WAIT_S = 0.25
# Small enough that an intake holds several, and one frame takes one.
_BATCH_BYTES = limits.INTAKE_BYTES // 8


class Fetched(NamedTuple):
    """What one run brought. `failure`: why it did not bring all, in words that hold no secrets."""

    batches: Sequence[Batch] = ()
    failure: str = ""


class Scheduled:
    """A Feeder that calls `fetch` each `interval_s`, from a thread of its own.

    `name` stands for the input in own logs. A failure is logged when it begins and when it changes,
    and counted each time.
    """

    def __init__(
        self,
        name: str,
        intake: Intake,
        interval_s: float,
        fetch: Callable[[], Fetched],
        settings: AgentSettings,
    ) -> None:
        self.intake = intake
        self._name = name
        self._fetch = fetch
        self._mark = intake.mark
        self._told = ""
        # The machine's identity belongs to the name: a fleet shares the names of its inputs.
        machine = "|".join(f"{key}={value}" for key, value in sorted(settings.resource.items()))
        place = f"{name}|{machine}"
        self._schedule = Schedule(place, interval_s, self.run, SystemClock())

    def start(self) -> None:
        self._schedule.start()

    def stop(self) -> None:
        self._schedule.stop()

    def run(self, missed: int = 0) -> None:
        """One run: fetch, put, count."""
        try:
            fetched = self._fetch()
        except Exception as error:
            _log.error("input failed; trying again", exc_info=error)
            fetched = Fetched((), f"unexpected {type(error).__name__}")
        self._tell(fetched.failure)
        for batch in fetched.batches:
            if not self._put(batch):
                extra = {"input": self._name, "rows": batch.rows}
                _log.error("the agent stops; what was fetched is not kept", extra=extra)
                return
            self._mark = batch.mark
        counts = {"late": missed, "failed": int(bool(fetched.failure))}
        counts = {reason: count for reason, count in counts.items() if count}
        if counts:
            self._put(Batch(b"", 0, dropped=counts, mark=self._mark))

    def _put(self, batch: Batch) -> bool:
        """Wait for room until there is some, or until it is time to stop: then it is not put."""
        while not self._schedule.stopping.is_set():
            if self.intake.put(batch, PUT_WAIT_S):
                return True
            self._schedule.stopping.wait(PUT_WAIT_S / 10)
        return False

    def _tell(self, failure: str) -> None:
        if failure and failure != self._told:
            extra = {"input": self._name, "why": failure}
            _log.warning("input could not be fetched; trying again", extra=extra)
        elif self._told and not failure:
            _log.info("input is fetched again", extra={"input": self._name})
        self._told = failure


def batches(found: Iterable[Sample]) -> list[Batch]:
    """Samples as batches that are small enough for a frame."""
    return [
        Batch(b"".join(lines), len(lines), Codec.RECORDS, Signal.METRICS, checked=True)
        for lines in grouped(samples.encode((sample,)) for sample in found)
    ]


def grouped(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in groups of about _BATCH_BYTES, none empty."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > _BATCH_BYTES:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
