"""How late alerts are, as it is told. Seconds; quantiles are of the last hour."""

from __future__ import annotations

import msgspec


class Delays(msgspec.Struct, frozen=True):
    """`count` values; half of them at most `p50_s`, 99 of 100 at most `p99_s`, none over
    `worst_s`. Quantiles are up to a tenth too large, never too small; all 0 where there is none."""

    count: int
    p50_s: float = 0.0
    p99_s: float = 0.0
    worst_s: float = 0.0


class StageDelay(msgspec.Struct):
    """From the event to a stage of the canary."""

    stage: str
    delays: Delays


class CanaryDelay(msgspec.Struct):
    """See canary.State."""

    stages: list[StageDelay]
    p99_s: float
    silent_s: float
    waiting: int
    oldest_s: float


class RuleDelayed(msgspec.Struct):
    """See delays.RuleDelay. An event is in the first slot after it, so `interval_s` comes on top,
    and `for_s`."""

    file: str
    group: str
    name: str
    interval_s: float
    for_s: float
    evaluated: Delays
    told: Delays


class Latencies(msgspec.Struct):
    """`late`: what is late, "" when all is in time. `canary`: null where there is none. `sent`:
    from the making of the tenant's notices to a receiver taking them."""

    late: str
    canary: CanaryDelay | None
    rules: list[RuleDelayed]
    sent: Delays
