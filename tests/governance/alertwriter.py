"""A process that writes alerts until it is killed, and says each turn that was kept.

    python alertwriter.py DIRECTORY_OR_URI

A turn n gives ALERTS alerts the value n, tells NOTICES notices of it, and one group.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from tailrace.core.alerting import Alert, Evaluated, Notice, Phase, Told
from tailrace.governance.alerts.store import ControlAlerts
from tailrace.governance.control import Control
from tailrace.governance.postgresql import Postgresql

ALERTS = 200
NOTICES = 20


def alerts(n: int) -> list[Alert]:
    return [
        Alert("shop", "r", (("host", f"h{k}"),), (), Phase.FIRING, float(n), n)
        for k in range(ALERTS)
    ]


def notices(n: int) -> list[Notice]:
    return [Notice(0, "shop", "mail", f"g{k}", b"%d" % n, n, n) for k in range(NOTICES)]


async def write(place: str) -> None:
    control = Control(Postgresql(place) if "://" in place else Path(place))
    await control.open()
    store = ControlAlerts(control)
    first = max((one.slot_ns for one in await store.evaluations()), default=0) + 1
    for n in itertools.count(first):
        await store.evaluated([Evaluated("shop", "r", n)], alerts(n), [])
        await store.tell([Told("shop", "mail", "g", n)], notices(n), [])
        for old in await store.waiting(NOTICES):
            if old.made_ns < n:
                await store.sent(old)
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
