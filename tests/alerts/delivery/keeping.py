"""The store in memory, which remembers every notice, and can be away."""

from __future__ import annotations

from collections.abc import Sequence

from tests.alerts.store import MemoryAlerts

from tailrace.core.alerting import Alert, Notice, Told
from tailrace.core.errors import StoreError


class MemoryStore(MemoryAlerts):
    """`refuse`: how many transactions are refused from now on. `full`: receivers without room."""

    def __init__(self) -> None:
        super().__init__()
        self.every: list[Notice] = []
        self.refuse = 0
        self.full: set[str] = set()

    async def tell(
        self, told: Sequence[Told], notices: Sequence[Notice], gone: Sequence[Alert]
    ) -> None:
        if self.refuse or self.full & {one.receiver for one in notices}:
            self.refuse -= bool(self.refuse)
            raise StoreError("there is no room")
        await super().tell(told, notices, gone)
        self.every += self.kept.notices[len(self.kept.notices) - len(notices) :]
