"""The built-in alert `NewErrorPattern`: a service logs an error that it never logged before.

Each look asks which statements the errors have that were taken in since the last one, and which of
them are remembered. What is new is kept as an alert and remembered in one transaction, so a process
that dies has either done both or finds it again. The first look at a tenant reads the time of
learning back and tells nothing of what it finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from tailrace.alerts.builtin.groups import FOLDER
from tailrace.alerts.builtin.names import NEW_ERROR_PATTERN
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.streaming.made import Made
from tailrace.alerts.streaming.newalerts import SEVERITY, held
from tailrace.alerts.streaming.novelty import ids, novelty
from tailrace.core import limits, log
from tailrace.core.alerting import Alert, AlertStore, Evaluated
from tailrace.core.clock import Clock
from tailrace.core.errorpatterns import ErrorPatterns, Remembered
from tailrace.core.errors import StoreError, TailraceError
from tailrace.core.metrics import Metrics
from tailrace.query.patterns.errors import Errors, joined
from tailrace.query.times import SECOND_NS

_log = log.get("alerts")
# How long an alert fires: long enough to be seen, and no longer than it is new.
FIRES_NS = 900 * SECOND_NS
# A frame is taken in so long before it is durable, at most.
_DURABLE_NS = 5 * SECOND_NS
_CATCH_UP_NS = int(limits.NEW_PATTERN_CATCH_UP_S * 1e9)
# Rows may be taken in while they are asked for, by another clock.
_AHEAD_NS = 60 * SECOND_NS
# A first look that fails is followed by one that goes back so many times less.
_SHORTER = 4
RULE = Rule(
    '{service_name=~".+", level=~"error|fatal"}',
    "logql",
    alert=NEW_ERROR_PATTERN,
    labels=(SEVERITY,),
    keep_firing_ns=FIRES_NS,
    streams=True,
)


class Store(AlertStore, ErrorPatterns, Protocol):
    """Who keeps alerts, and what services have logged, so that both can be in one transaction."""


# Errors of a tenant that were taken in from one time to before another, UTC nanoseconds. Raises
# TailraceError and TimeoutError.
Ask = Callable[[str, int, int], Awaitable[Errors]]
# Whether the store has all that was acknowledged, within so many seconds.
Stored = Callable[[float], Awaitable[bool]]


class NewPatterns(Made):
    """`open`, then `run` until it is cancelled. `changed` as of Evaluator."""

    def __init__(
        self,
        store: Store,
        ask: Ask,
        stored: Stored,
        changed: Callable[[Sequence[Alert]], None],
        clock: Clock,
        metrics: Metrics,
        tenants: Iterable[str],
        every_s: float = 60.0,
        learning_s: float = 86_400.0,
        url: str = "",
    ) -> None:
        """Looks at `tenants` every `every_s`. `url`: where people find this server, for links."""
        group = partial(group_of, every_ns=int(every_s * 1e9))
        super().__init__(store, group, changed, metrics, tenants)
        self._patterns = store
        self._ask = ask
        self._stored = stored
        self._clock = clock
        self._every_ns = int(every_s * 1e9)
        self._overlap_ns = max(self._every_ns, _DURABLE_NS)
        self._learning_ns = int(learning_s * 1e9)
        self._url = url
        self._looked_at = list(self.tenants)
        # How far the first look at a tenant goes back.
        self._back_ns = dict.fromkeys(self._looked_at, max(self._learning_ns, self._every_ns))

    async def run(self) -> None:
        """Look now and every so often."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_ns / 1e9)

    async def look(self) -> None:
        """At all tenants, one after the other; one that fails holds up no other, and says why."""
        whole = await self._stored(limits.NEW_PATTERN_STORED_S)
        for tenant in self.tenants:
            try:
                await self._look_at(tenant, whole)
            except StoreError as error:
                self._failed(tenant, str(error), "store")
            except (TailraceError, TimeoutError) as error:
                self._failed(tenant, str(error) or "the query took too long", "expression")
                self._shorten(tenant)
            except Exception:  # what nobody foresaw in one tenant must not stop the others
                _log.exception("a look at new errors failed", extra={"tenant": tenant})
                self._failed(tenant, "it failed; the log says how", "expression")

    def _failed(self, tenant: str, words: str, kind: str) -> None:
        """The next look goes back to the last one that was kept."""
        self.failed([tenant], words, kind)
        _log.error("new errors cannot be looked for", extra={"tenant": tenant, "why": words})

    def _shorten(self, tenant: str) -> None:
        """A first look that is too much learns less; services are learned as they go on then."""
        self._back_ns[tenant] = max(self._back_ns.get(tenant, 0) // _SHORTER, self._every_ns)

    async def _look_at(self, tenant: str, whole: bool) -> None:
        """`whole`: the store has all that came before now. Raises what `ask` does, StoreError."""
        await self.catch_up(tenant)
        now_ns = self._clock.wall_ns()
        learned_ns, since_ns = self._since(tenant, now_ns)
        errors = Errors({})
        if tenant in self._looked_at:  # else its alerts end
            errors = await self._asked(tenant, since_ns, now_ns)
        known = await self._patterns.remembered(tenant, ids(errors))
        found = novelty(tenant, errors, known, now_ns, learned_ns)
        said = held(found.new, self.firing(tenant), self._url)
        # What comes late is asked for again.
        slot_ns = now_ns if whole else min(now_ns, since_ns + self._overlap_ns)
        await self.step(tenant, now_ns, said, partial(self._keep, found.seen), slot_ns)

    async def _asked(self, tenant: str, since_ns: int, now_ns: int) -> Errors:
        """In parts of an hour, each within the bounds of a query."""
        starts = range(since_ns, now_ns + 1, _CATCH_UP_NS + self._overlap_ns)
        ends = [*starts[1:], now_ns + _AHEAD_NS]
        parts = [
            await self._ask(tenant, start, end) for start, end in zip(starts, ends, strict=True)
        ]
        return parts[0] if len(parts) == 1 else joined(parts)

    def _since(self, tenant: str, now_ns: int) -> tuple[int, int]:
        """How long services are new, and from when on to look; at first all is learned."""
        looked_ns = self.looked_ns(tenant)
        if not looked_ns:
            # Services are known for less than that by then.
            learning_ns = 2 * max(self._learning_ns, self._every_ns) if self._learning_ns else 0
            return learning_ns, now_ns - self._back_ns.get(tenant, 0)
        # What is asked for twice is remembered by then. A clock that was set back is seen to.
        since_ns = looked_ns - self._overlap_ns if looked_ns <= now_ns else 0
        return self._learning_ns, max(since_ns, now_ns - _CATCH_UP_NS)

    async def _keep(
        self, seen: Sequence[Remembered], said: Evaluated, changed: Sequence[Alert]
    ) -> None:
        await self._patterns.looked(said, changed, seen)


def group_of(tenant: str, every_ns: int) -> Group:
    """The group that it is the rule of."""
    return Group(tenant, FOLDER, "patterns", (RULE,), every_ns, origin="built in")
