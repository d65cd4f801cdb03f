"""Who hears that stored rows have changed."""

from __future__ import annotations

from tailrace.core.contracts import Changes
from tailrace.core.frame import Signal


class Each:
    """A Changes that tells several, in their order."""

    def __init__(self, *all_of_them: Changes) -> None:
        self._all = all_of_them

    def changed(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """See Changes."""
        for one in self._all:
            one.changed(tenant, signal, first_ns)

    def archived(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """See Changes."""
        for one in self._all:
            one.archived(tenant, signal, first_ns)
