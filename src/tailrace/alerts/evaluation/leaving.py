"""What becomes of a rule that is no more, be it evaluated or watched."""

from __future__ import annotations

from collections.abc import Iterable

from tailrace.alerts.evaluation import state
from tailrace.core.alerting import Alert, AlertStore, Phase


async def let_go(
    store: AlertStore, tenant: str, rule: str, alerts: Iterable[Alert], now_ns: int
) -> list[Alert]:
    """Its alerts that have ended with it, for those who tell.

    They are kept until everybody was told, and the rule is forgotten at a later start; without
    alerts that fired it is forgotten at once. Those that never fired are gone either way: a rule
    that is back begins its `for` anew. Raises StoreError.
    """
    known = list(alerts)
    ended = [over for one in known if (over := state.ended(one, now_ns))]
    if not ended and not any(one.phase is Phase.RESOLVED for one in known):
        await store.forget(tenant, rule)
        return ended
    waiting = [one for one in known if one.phase is Phase.PENDING and not one.ended_ns]
    if ended or waiting:
        await store.evaluated([], ended, waiting)
    return ended
