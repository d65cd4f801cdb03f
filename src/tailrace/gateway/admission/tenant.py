"""One tenant: what it may send, what it has sent, what was refused."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.gateway.admission.bucket import Meter
from tailrace.gateway.admission.distinct import Distinct
from tailrace.gateway.admission.load import Load, hash_of
from tailrace.gateway.admission.quota import Quota
from tailrace.gateway.admission.refusals import Excess, Reason, Refusals

DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
# Share of the newest request in what is usual.
_NEWEST = 0.2
_WARY_S = 60.0


class Spent(msgspec.Struct):
    """Bytes of one UTC day, counted from 1970."""

    day: int = 0
    bytes: int = 0


class Tenant:
    """Used from one event loop. Times are the caller's: monotonic seconds, UTC nanoseconds."""

    def __init__(self, quota: Quota, now_s: float) -> None:
        self.quota = quota
        self.running = 0
        self.spent = Spent()
        self.refused: dict[str, Refusals] = {}
        self.diverted: dict[str, Refusals] = {}
        # Until then nothing is read: a request was refused, and would be again.
        self.closed_until_s = float("-inf")
        self.closed_for: Excess | None = None
        self._usual = (0.0, 0.0)  # bytes and rows of its requests
        self._meter = Meter(quota.rate, quota.burst_s, now_s)
        self._services: OrderedDict[str, Meter] = OrderedDict()
        self._hour = 0
        self._distinct: dict[Reason, Distinct] = {}

    def weighed(self, load: Load) -> None:
        """What a request of it turned out to hold, whether it is taken or not."""
        bytes_, rows = self._usual
        share = _NEWEST if any(self._usual) else 1.0
        self._usual = (bytes_ + (load.bytes - bytes_) * share, rows + (load.rows - rows) * share)

    def crowded(self, now_s: float) -> Excess | None:
        """Whether those that are read just now will take all there is, if they are as usual.

        Only of one that was refused lately: else all that it told to wait come at once, and are
        read and decoded for nothing.
        """
        if self.closed_for is None or now_s > self.closed_until_s + _WARY_S:
            return None
        bytes_, rows = self._usual
        wait_s = self._meter.debts(bytes_ * self.running, rows * self.running, now_s)
        return Excess(self.closed_for.reason, wait_s, self.closed_for.message) if wait_s else None

    def excess(self, load: Load, now_s: float, now_ns: int) -> Excess | None:
        """What `load` is beyond: of several, what lasts longest."""
        found = [
            *self._beyond_rates(load, now_s),
            *self._beyond_day(now_ns),
            *self._beyond_distinct(load, now_ns),
        ]
        return max(found, key=lambda excess: excess.wait_s, default=None)

    def charge(self, load: Load, now_s: float, now_ns: int) -> None:
        """Count what comes in."""
        self._meter.take(load.bytes, load.rows, now_s)
        for name, (bytes_, rows) in load.services.items():
            if meter := self._service(name, now_s):
                meter.take(bytes_, rows, now_s)
        self._today(now_ns).bytes += load.bytes
        for reason, hashes in self._hashes(load).items():
            distinct = self._counter(reason, now_ns)
            distinct.add(distinct.new(hashes))

    def refund(self, load: Load) -> None:
        """Give back what came in and could not be kept. What is distinct stays counted."""
        self._meter.give(load.bytes, load.rows)
        for name, (bytes_, rows) in load.services.items():
            if meter := self._services.get(name):
                meter.give(bytes_, rows)
        self.spent.bytes = max(0, self.spent.bytes - load.bytes)

    def close(self, excess: Excess, now_s: float) -> None:
        """Read nothing until it may come in. Whoever was told to wait finds room then: what is
        smaller cannot take it meanwhile."""
        if now_s + excess.wait_s > self.closed_until_s:
            self.closed_until_s = now_s + excess.wait_s
            self.closed_for = excess

    def most_distinct(self, reason: Reason, load: Load) -> int | None:
        """The limit of what is counted, when `load` alone passes it and so can never come in."""
        hashes = self._hashes(load).get(reason, ())
        return self._limit(reason) if hashes and len(hashes) > self._limit(reason) else None

    def usage(self, now_s: float, now_ns: int) -> dict[str, Any]:
        """What is left and what is counted, by the names of the limits."""
        return {
            "left": self._meter.left(now_s),
            "bytes_today": self._today(now_ns).bytes,
            "requests": self.running,
            "services_this_hour": self._counted("services", now_ns),
            "label_sets_this_hour": self._counted("label_sets", now_ns),
            "services": {name: meter.left(now_s) for name, meter in self._services.items()},
        }

    def _beyond_rates(self, load: Load, now_s: float) -> list[Excess]:
        found: list[Excess] = []
        waits = self._meter.waits(load.bytes, load.rows, now_s)
        if waits[0]:
            found.append(Excess("bytes_rate", waits[0], "this tenant's bytes per second are spent"))
        if waits[1]:
            found.append(Excess("rows_rate", waits[1], "this tenant's rows per second are spent"))
        for name, (bytes_, rows) in load.services.items():
            meter = self._service(name, now_s)
            waits = meter.waits(bytes_, rows, now_s) if meter else (0.0, 0.0)
            words = "of a service of this tenant are spent"
            if waits[0]:
                found.append(Excess("service_bytes_rate", waits[0], f"bytes per second {words}"))
            if waits[1]:
                found.append(Excess("service_rows_rate", waits[1], f"rows per second {words}"))
        return found

    def _beyond_day(self, now_ns: int) -> list[Excess]:
        limit = self.quota.bytes_per_day
        # The last request of a day may pass the limit: what is left could be too little for any.
        if not limit or self._today(now_ns).bytes < limit:
            return []
        wait_s = (DAY_NS - now_ns % DAY_NS) / 1e9
        return [Excess("bytes_day", wait_s, "this tenant's bytes of the day (UTC) are spent")]

    def _beyond_distinct(self, load: Load, now_ns: int) -> list[Excess]:
        found: list[Excess] = []
        for reason, hashes in self._hashes(load).items():
            distinct = self._counter(reason, now_ns)
            new = distinct.new(hashes)
            if new and distinct.count + len(new) > distinct.limit:
                words = "services" if reason == "services" else "label sets"
                message = f"this tenant's {distinct.limit} distinct {words} of the hour are spent"
                found.append(Excess(reason, (HOUR_NS - now_ns % HOUR_NS) / 1e9, message))
        return found

    def _hashes(self, load: Load) -> dict[Reason, set[int]]:
        """Of what is counted, where that is limited."""
        found: dict[Reason, set[int]] = {}
        if self.quota.services_per_hour:
            found["services"] = {hash_of(name) for name in load.services}
        if self.quota.label_sets_per_hour:
            found["label_sets"] = load.label_sets
        return found

    def _today(self, now_ns: int) -> Spent:
        day = now_ns // DAY_NS
        if self.spent.day != day:
            self.spent = Spent(day, 0)
        return self.spent

    def _counter(self, reason: Reason, now_ns: int) -> Distinct:
        hour = now_ns // HOUR_NS
        if hour != self._hour:
            self._hour = hour
            self._distinct.clear()
        if reason not in self._distinct:
            self._distinct[reason] = Distinct(self._limit(reason))
        return self._distinct[reason]

    def _limit(self, reason: Reason) -> int:
        quota = self.quota
        return quota.services_per_hour if reason == "services" else quota.label_sets_per_hour

    def _counted(self, reason: Reason, now_ns: int) -> int:
        if self._hour != now_ns // HOUR_NS or reason not in self._distinct:
            return 0
        return self._distinct[reason].count

    def _service(self, name: str, now_s: float) -> Meter | None:
        rate = self.quota.of_service(name)
        if not rate:
            return None
        meter = self._services.pop(name, None) or Meter(rate, self.quota.burst_s, now_s)
        self._services[name] = meter
        if len(self._services) > limits.SERVICES_COUNTED:
            self._services.popitem(last=False)
        return meter
