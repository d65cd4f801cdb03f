"""Who may bring how much, and when: asked before a body is read, and before its frames are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import Busy, TooLarge
from tailrace.core.frame import Frame, Lane
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.load import Load, look_inside, weigh
from tailrace.gateway.admission.overload import Overload
from tailrace.gateway.admission.quota import Quota, Quotas
from tailrace.gateway.admission.refusals import Excess, Refusals
from tailrace.gateway.admission.scarcity import Scarcity
from tailrace.gateway.admission.tenant import Spent, Tenant

# Another request of the same tenant will have been answered by then.
_CONCURRENT_RETRY_S = 1.0


class Admitted(msgspec.Struct):
    """Frames that may be kept, with their lanes; `loads` is what was charged, by tenant."""

    frames: list[Frame]
    loads: dict[str, Load]
    diverted_rows: int = 0


class Admission:
    """The limits of all tenants in one process. Used from one event loop, except `weigh`.

    Counts live in memory, of at most TENANTS_COUNTED tenants: a process that starts again begins
    with full buckets, and with the day's bytes that `restore` is given.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        quotas: Quotas | None = None,
        overload: Overload | None = None,
        scarcity: Scarcity | None = None,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._quotas = quotas or Quotas()
        self._overload = overload
        self._scarcity = scarcity
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()

    def body_bytes(self, tenant: str, most: int) -> int:
        """Bytes that a body of this tenant may have, as sent and expanded."""
        own = self._quotas.of(tenant).body_bytes
        return min(own, most) if own else most

    @contextmanager
    def enter(self, tenant: str, own: bool = False) -> Iterator[None]:
        """While a request of this tenant is read and kept. Raises Busy before anything is done for
        one that would be refused: too many at once, or its limits are spent. `own`: see `admit`."""
        found = self._tenant(tenant)
        with self._counting({tenant: Load()}):
            if self._overload is not None:
                self._overload.check_all()
            if self._scarcity is not None and not own:
                self._scarcity.check_all()
        now_s = self._clock.monotonic_s()
        if found.closed_for is not None and found.closed_until_s > now_s:
            spent = found.closed_for
            wait_s = found.closed_until_s - now_s
            self._refuse(found, Excess(spent.reason, wait_s, spent.message), Load())
        if found.running and (crowd := found.crowded(now_s)) is not None:
            self._refuse(found, crowd, Load())
        if found.quota.requests and found.running >= found.quota.requests:
            message = f"this tenant may send {found.quota.requests} requests at the same time"
            self._refuse(found, Excess("requests", _CONCURRENT_RETRY_S, message), Load())
        found.running += 1
        try:
            yield
        finally:
            found.running -= 1

    def looks_inside(self, frames: Sequence[Frame]) -> bool:
        """Whether `weigh` has to expand payloads, which belongs in a thread."""
        return any(self._quotas.of(tenant).looks_inside for tenant in _by_tenant(frames))

    def weigh(self, frames: Sequence[Frame]) -> dict[str, Load]:
        """What `frames` bring, by tenant. Raises TooLarge for rows beyond their limits."""
        loads: dict[str, Load] = {}
        for tenant, own in _by_tenant(frames).items():
            quota = self._quotas.of(tenant)
            loads[tenant] = look_inside(own, quota) if quota.looks_inside else weigh(own)
        return loads

    def admit(self, frames: Sequence[Frame], loads: dict[str, Load], own: bool = False) -> Admitted:
        """Charge all of `frames`, or none. Raises Busy, and TooLarge for what could never come.

        `own`: the server's own, which is little, says that a disk fills, and so does not wait for
        room on it.
        """
        now_s, now_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        excesses: dict[str, Excess] = {}
        for tenant, load in loads.items():
            found = self._tenant(tenant)
            found.weighed(load)
            excess = found.excess(load, now_s, now_ns)
            if excess is None:
                continue
            if not _may_divert(found.quota, [f for f in frames if f.header.tenant == tenant]):
                self._close(found, excess, load, now_s)
            excesses[tenant] = excess
        kept = [_late(frame) if frame.header.tenant in excesses else frame for frame in frames]
        with self._counting(loads):
            if self._overload is not None:
                self._overload.check(kept)
            if self._scarcity is not None and not own:
                self._scarcity.check(kept)
        charged = {tenant: load for tenant, load in loads.items() if tenant not in excesses}
        for tenant, load in charged.items():
            self._tenant(tenant).charge(load, now_s, now_ns)
        for tenant, excess in excesses.items():
            self._count_diverted(self._tenant(tenant), excess.reason, loads[tenant])
        return Admitted(kept, charged, sum(loads[tenant].rows for tenant in excesses))

    def refund(self, admitted: Admitted) -> None:
        """What was admitted could not be kept."""
        for tenant, load in admitted.loads.items():
            self._tenant(tenant).refund(load)

    def refused(self, tenant: str, error: TooLarge) -> None:
        """Count a request that was too large for a limit of its tenant, where it was that."""
        for reason in ("labels", "attributes", "line_bytes", "body_bytes"):
            if error.reason == reason:
                self._count(self._tenant(tenant), reason, Load())

    def report(self, tenant: str) -> dict[str, Any]:
        """The limits of a tenant, what it has used and what was refused, as plain values."""
        found = self._tenant(tenant)
        now_s, now_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        return {
            "tenant": tenant,
            "limits": msgspec.to_builtins(found.quota),
            "usage": found.usage(now_s, now_ns),
            "refused": msgspec.to_builtins(found.refused),
            "diverted": msgspec.to_builtins(found.diverted),
        }

    def spent(self) -> dict[str, Spent]:
        """The day's bytes of every tenant whose day is limited, for the next process."""
        return {
            name: tenant.spent
            for name, tenant in self._tenants.items()
            if tenant.quota.bytes_per_day and tenant.spent.bytes
        }

    def restore(self, spent: Mapping[str, Spent]) -> None:
        """Go on from what another process has counted."""
        for name, item in spent.items():
            self._tenant(name).spent = msgspec.structs.replace(item)

    def _tenant(self, name: str) -> Tenant:
        found = self._tenants.pop(name, None)
        if found is None:
            found = Tenant(self._quotas.of(name), self._clock.monotonic_s())
            self._forget()
        self._tenants[name] = found
        return found

    def _forget(self) -> None:
        """Make room for one more: the tenant goes who was here longest ago and does nothing."""
        if len(self._tenants) < limits.TENANTS_COUNTED:
            return
        idle = (name for name, tenant in self._tenants.items() if not tenant.running)
        if (name := next(idle, None)) is not None:
            del self._tenants[name]

    def _close(self, tenant: Tenant, excess: Excess, load: Load, now_s: float) -> NoReturn:
        """Refuse, and what is like it before it is read."""
        limit = tenant.most_distinct(excess.reason, load)
        if limit is not None:
            self._count(tenant, excess.reason, load)
            raise TooLarge(
                f"body holds more distinct {excess.reason} than the {limit} that this tenant may "
                "send in an hour; put data into lines, not into labels",
                excess.reason,
            )
        # Other requests may bring nothing new, or may be diverted.
        if excess.reason not in ("services", "label_sets") and tenant.quota.over == "refuse":
            tenant.close(excess, now_s)
        self._refuse(tenant, excess, load)

    def _refuse(self, tenant: Tenant, excess: Excess, load: Load) -> NoReturn:
        self._count(tenant, excess.reason, load)
        raise Busy(
            f"{excess.message}; try again in {excess.wait_s:.1f} s",
            excess.wait_s,
            overload=False,
            reason=excess.reason,
        )

    @contextmanager
    def _counting(self, loads: Mapping[str, Load]) -> Iterator[None]:
        """Count what overload and full disks shed."""
        try:
            yield
        except Busy as busy:
            for tenant, load in loads.items():
                self._count(self._tenant(tenant), busy.reason, load)
            raise

    def _count(self, tenant: Tenant, reason: str, load: Load) -> None:
        self._metrics.add("tailrace_limited_requests_total", 1, reason)
        self._metrics.add("tailrace_limited_rows_total", load.rows, reason)
        counted = tenant.refused.setdefault(reason, Refusals())
        counted.add(load.rows, load.bytes, self._clock.wall_ns())

    def _count_diverted(self, tenant: Tenant, reason: str, load: Load) -> None:
        self._metrics.add("tailrace_diverted_rows_total", load.rows, reason)
        counted = tenant.diverted.setdefault(reason, Refusals())
        counted.add(load.rows, load.bytes, self._clock.wall_ns())


def _by_tenant(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    found: dict[str, list[Frame]] = {}
    for frame in frames:
        found.setdefault(frame.header.tenant, []).append(frame)
    return found


def _may_divert(quota: Quota, frames: Sequence[Frame]) -> bool:
    """A frame of the hot lane alone has a complete one beside it in the bulk lane: as a second one
    there it would be kept twice."""
    return quota.over == "divert" and all(f.header.lane is not Lane.HOT for f in frames)


def _late(frame: Frame) -> Frame:
    return Frame(
        msgspec.structs.replace(frame.header, lane=Lane.BULK, diverted=True), frame.payload
    )
