"""The server's own metrics as samples in its own store, for rules and charts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from tailrace.app.ownsamples import take_samples
from tailrace.core import process
from tailrace.core.clock import Clock
from tailrace.core.errors import TailraceError
from tailrace.core.log import get
from tailrace.core.metrics import Metrics, Name
from tailrace.core.sample import Sample
from tailrace.gateway.door import Door

_log = get("app")
JOB = "tailrace"
# A counter that is first seen above 0 has not grown, to a rule that asks by how much it did: so
# they were 0 when it began. A damaged queue is found before then.
_FROM_ZERO: tuple[tuple[Name, str], ...] = (
    ("tailrace_dead_letters_total", "frame"),
    ("tailrace_dead_letters_total", "corrupt"),
    ("tailrace_rule_clock_jumps_total", ""),
    ("tailrace_rule_failures_total", "expression"),
    ("tailrace_rule_failures_total", "template"),
    ("tailrace_rule_failures_total", "store"),
    ("tailrace_rule_failures_total", "stream"),
    ("tailrace_rule_failures_total", "group"),
    ("tailrace_rule_late_changes_total", "missed"),
    ("tailrace_rule_late_changes_total", "unfounded"),
    ("tailrace_notices_total", "given_up"),
)


class OwnMetrics:
    """`run` until it is cancelled. The samples are of `tenant`, labelled with `instance`."""

    def __init__(
        self,
        door: Door,
        tenant: str,
        instance: str,
        measure: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
        every_s: float,
    ) -> None:
        """`measure` sets what is measured only when it is asked for, beside the process."""
        self._door = door
        self._tenant = tenant
        self._instance = instance
        self._measure = measure
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s
        self._zeros: list[Sample] = []

    async def run(self) -> None:
        """Store them again and again; what cannot be stored is left out."""
        for name, kind in _FROM_ZERO:
            self._metrics.add(name, 0, kind)
        began_ns = self._clock.wall_ns()
        self._zeros = [self._sample(began_ns, name, kind, 0.0) for name, kind in _FROM_ZERO]
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.store()
            except TailraceError as error:
                _log.warning("own metrics cannot be stored", extra={"why": str(error)})
            except Exception:  # rules about the server must not end with what nobody foresaw
                _log.exception("own metrics cannot be stored")

    async def store(self) -> None:
        """All of them as they are now. Raises TailraceError."""
        process.measure(self._metrics)
        self._measure()
        now_ns = self._clock.wall_ns()
        listed = self._zeros + [self._sample(now_ns, *one) for one in self._metrics.values()]
        await take_samples(self._door, self._tenant, listed, own=True)
        self._zeros = []

    def _sample(self, at_ns: int, name: Name, kind: str, value: float) -> Sample:
        whose = {"job": JOB, "instance": self._instance}
        return Sample(
            time=at_ns,
            name=name,
            value=float(value),
            kind="counter" if name.endswith("_total") else "gauge",
            attributes=whose | ({"kind": kind} if kind else {}),
        )


def measure_disk(metrics: Metrics, data: Path) -> None:
    """Set the size of the disk of `data`, and what is free."""
    try:
        found = shutil.disk_usage(data)
    except OSError:
        return
    metrics.set("tailrace_disk_bytes", found.total)
    metrics.set("tailrace_disk_free_bytes", found.free)
