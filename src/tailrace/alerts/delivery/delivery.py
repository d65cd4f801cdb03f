"""The room as others use it: settings and a store in, notices out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tailrace.alerts.delivery.dispatcher import Dispatcher
from tailrace.alerts.delivery.inhibition import Inhibition, rules
from tailrace.alerts.delivery.outbox import Outbox
from tailrace.alerts.delivery.receivers import sender
from tailrace.alerts.delivery.routing import tree
from tailrace.alerts.delivery.settings import DeliverySettings, receivers
from tailrace.alerts.delivery.targets import allowed
from tailrace.core.alerting import Alert, AlertStore, Notice, Silence
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics


class Delivery:
    """`load`, then `run` until it is cancelled; made anew by a process that leads again.

    What `changed` is given before `run` is told then.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        store: AlertStore,
        clock: Clock,
        metrics: Metrics,
        forgotten: Callable[[Sequence[Alert]], None] = lambda alerts: None,
        told: Callable[[Sequence[Alert], int], None] = lambda alerts, at_ns: None,
        sent: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        """`settings` are checked. `forgotten` and `told`: see Dispatcher; `sent`: see Outbox."""
        targets = allowed(settings.allow_targets)
        senders = {
            name: (sender(one, targets, clock, settings.external_labels), float(one.timeout))
            for name, one in receivers(settings).items()
        }
        self._outbox = Outbox(store, senders, clock, metrics, sent=sent)
        self._dispatcher = Dispatcher(
            store,
            tree(settings),
            Inhibition(rules(settings.inhibit)),
            clock,
            settings.external_url,
            self._outbox.wake,
            forgotten,
            told,
        )
        self.changed = self._dispatcher.changed
        self.silence: Callable[[Silence], None] = self._dispatcher.silence

    async def load(self) -> None:
        """Go on where the last process was. Raises StoreError."""
        await self._dispatcher.load()

    async def run(self) -> None:
        """Tell and send."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._dispatcher.run())
            tasks.create_task(self._outbox.run())
