"""How an agent is at a moment, gathered from its parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from tailrace import __version__
from tailrace.agent.fleet.activity import Activity
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits, process
from tailrace.core.clock import Clock
from tailrace.core.fleet import TEXT_CHARACTERS, Announcement, Loss, Settled
from tailrace.core.metrics import Metrics, Name

# The reading thread comes round several times a second, unless its disk is stuck.
LOOK_S = 1.0


class _Spool(Protocol):
    @property
    def size_bytes(self) -> int: ...


class Condition:
    """`compose` is called by one thread."""

    def __init__(
        self,
        settings: AgentSettings,
        source: str,
        activity: Activity,
        spool: _Spool,
        gateway: Callable[[], str],
        clock: Clock,
        metrics: Metrics,
        losses: Callable[[], Sequence[Loss]] = lambda: (),
        settled: Callable[[], Sequence[Settled]] = lambda: (),
    ) -> None:
        """`gateway`: the base URL of the one that is used. `losses`: those that no server has
        confirmed, the oldest first. `settled` is asked before them: what is given up in between is
        then told before it is settled."""
        self._settings = settings
        self._source = source
        self._activity = activity
        self._spool = spool
        self._gateway = gateway
        self._clock = clock
        self._metrics = metrics
        self._losses = losses
        self._settled = settled
        self._started_ns = clock.wall_ns()
        self._cpu_s = process.cpu_s()
        self._at_s = clock.monotonic_s()
        self._share = 0.0

    def compose(self, stopping: bool) -> Announcement:
        """The announcement of now."""
        dropped = self._metrics.labelled("tailrace_agent_dropped_total")
        cpu_s, share = self._cpu()
        age_s = self._metrics.get("tailrace_agent_spool_age_seconds")
        settled = list(self._settled())
        return Announcement(
            source=self._source,
            version=__version__,
            host=self._settings.resource.get("host.name", "")[:TEXT_CHARACTERS],
            pid=os.getpid(),
            started_ns=self._started_ns,
            now_ns=self._clock.wall_ns(),
            interval_s=self._settings.announce_interval_s,
            stopping=stopping,
            configuration=self._settings.configuration,
            gateway=self._gateway()[:TEXT_CHARACTERS],
            inputs=self._activity.reports(LOOK_S),
            inputs_total=len(self._settings.inputs),
            lines=self._count("tailrace_agent_lines_total"),
            bytes=self._count("tailrace_agent_bytes_total"),
            dropped={reason: int(rows) for reason, rows in dropped.items() if reason},
            retries=self._count("tailrace_agent_retries_total"),
            rejected=self._count("tailrace_agent_frames_rejected_total"),
            spool_bytes=self._spool.size_bytes if age_s else 0,
            spool_age_s=round(age_s, 3),
            cpu_s=round(cpu_s, 3),
            cpu_share=round(share, 5),
            resident_bytes=process.resident_bytes(),
            settled=settled,
            losses=list(self._losses()[: limits.ANNOUNCED_LOSSES]),
        )

    def _count(self, name: Name) -> int:
        return int(sum(self._metrics.labelled(name).values()))

    def _cpu(self) -> tuple[float, float]:
        """CPU seconds since the start, and the share of a core since the announcement before."""
        cpu_s, now_s = process.cpu_s(), self._clock.monotonic_s()
        passed_s = now_s - self._at_s
        if passed_s > self._settings.announce_interval_s / 2:  # less says nothing
            self._share = max(0.0, (cpu_s - self._cpu_s) / passed_s)
            self._cpu_s, self._at_s = cpu_s, now_s
        return cpu_s, self._share
