"""An AlertStore in memory, and ErrorPatterns, held to the same laws as the control store's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tailrace.core import alertbounds, limits
from tailrace.core.alerting import (
    Alert,
    Evaluated,
    Labels,
    Notice,
    Phase,
    RuleText,
    Silence,
    Told,
)
from tailrace.core.errorpatterns import Remembered
from tailrace.core.errors import StoreError, TooLarge


@dataclass
class Kept:
    """What several stores share, as processes share a database."""

    leader: tuple[str, int] = ("", 0)
    alerts: dict[tuple[str, str, Labels], Alert] = field(default_factory=dict)
    evaluations: dict[tuple[str, str], Evaluated] = field(default_factory=dict)
    told: dict[tuple[str, str, str], Told] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    last_id: int = 0
    silences: dict[tuple[str, str], Silence] = field(default_factory=dict)
    rules: dict[tuple[str, str, str], RuleText] = field(default_factory=dict)
    patterns: dict[tuple[str, str], Remembered] = field(default_factory=dict)


class MemoryAlerts:
    """Raises `failure` for as long as there is one."""

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.failure: StoreError | None = None
        self._holder = ""

    async def lead(self, holder: str, until_ns: int, now_ns: int) -> bool:
        self._works()
        self._holder = holder
        latest_ns = now_ns + int(limits.ALERT_LEASE_S * 1e9)
        other, ends_ns = self.kept.leader
        if other and other != holder and now_ns < ends_ns <= latest_ns:
            return False
        self.kept.leader = (holder, min(until_ns, latest_ns))
        return True

    async def alerts(self, tenant: str = "") -> list[Alert]:
        self._works()
        return [one for one in self.kept.alerts.values() if tenant in ("", one.tenant)]

    async def evaluations(self) -> list[Evaluated]:
        self._works()
        return list(self.kept.evaluations.values())

    async def evaluated(
        self, last: Sequence[Evaluated], changed: Sequence[Alert], gone: Sequence[Alert]
    ) -> None:
        self._leads()
        for alert in changed:
            _refuse(alertbounds.alert(alert))
        left = {alert.key for alert in gone}
        alerts = {key: alert for key, alert in self.kept.alerts.items() if key not in left}
        alerts |= {alert.key: alert for alert in changed}
        counts = Counter(tenant for tenant, _, _ in alerts)
        _refuse(_beyond(max(counts.values(), default=0), limits.ALERTS_PER_TENANT, "alerts"))
        self.kept.alerts = alerts
        for one in last:
            said = replace(one, error=one.error[: limits.ALERT_ERROR_CHARS])
            self.kept.evaluations[one.tenant, one.rule] = said

    async def remembered(self, tenant: str, ids: Collection[str]) -> Mapping[str, Remembered]:
        self._works()
        known = self.kept.patterns
        return {one: known[tenant, one] for one in ids if (tenant, one) in known}

    async def looked(
        self, last: Evaluated, changed: Sequence[Alert], seen: Sequence[Remembered]
    ) -> None:
        await self.evaluated([last], changed, [])
        known = self.kept.patterns
        for one in seen:
            before = known.get((one.tenant, one.id), one)
            first_ns = min(before.first_ns, one.first_ns)
            last_ns = max(before.last_ns, one.last_ns)
            known[one.tenant, one.id] = replace(before, first_ns=first_ns, last_ns=last_ns)
        for tenant in {one.tenant for one in seen}:
            its = sorted(
                (one for one in known.values() if one.tenant == tenant),
                key=lambda one: (one.last_ns, one.id),
            )
            for one in its[: max(0, len(its) - limits.ERROR_PATTERNS)]:
                del known[tenant, one.id]

    async def forget(self, tenant: str, rule: str) -> None:
        self._leads()
        self.kept.evaluations.pop((tenant, rule), None)
        for key in [key for key in self.kept.alerts if key[:2] == (tenant, rule)]:
            del self.kept.alerts[key]

    async def told(self) -> list[Told]:
        self._works()
        return list(self.kept.told.values())

    async def tell(
        self, told: Sequence[Told], notices: Sequence[Notice], gone: Sequence[Alert]
    ) -> None:
        self._leads()
        for notice in notices:
            _refuse(alertbounds.notice(notice))
        groups = {_group(notice) for notice in notices}
        kept = [
            one
            for one in self.kept.notices
            if _group(one) not in groups or not one.replaceable or one.attempts
        ]
        for number, one in enumerate(notices, self.kept.last_id + 1):
            kept.append(replace(one, id=number, error=one.error[: limits.ALERT_ERROR_CHARS]))
        for tenant, receiver, _ in groups:
            _bound([one for one in kept if _group(one)[:2] == (tenant, receiver)])
        self.kept.last_id += len(notices)
        self.kept.notices = kept
        self.kept.told |= {one.key: one for one in told}
        for alert in gone:
            found = self.kept.alerts.get(alert.key)
            if found and found.phase is Phase.RESOLVED:
                del self.kept.alerts[alert.key]

    async def waiting(self, most: int, apart_from: Sequence[tuple[str, str]] = ()) -> list[Notice]:
        self._works()
        return [one for one in self.kept.notices if _group(one)[:2] not in apart_from][:most]

    async def sent(self, notice: Notice) -> None:
        self._leads()
        self.kept.notices = [one for one in self.kept.notices if one.id != notice.id]

    async def failed(self, notice: Notice, due_ns: int, error: str) -> None:
        self._leads()
        words = error[: limits.ALERT_ERROR_CHARS]
        news = {"attempts": notice.attempts + 1, "due_ns": due_ns, "error": words}
        self.kept.notices = [
            replace(one, **news) if one.id == notice.id else one for one in self.kept.notices
        ]

    async def silences(self, tenant: str = "") -> list[Silence]:
        self._works()
        return [one for one in self.kept.silences.values() if tenant in ("", one.tenant)]

    async def silence(self, silence: Silence) -> None:
        self._works()
        _too_large(alertbounds.silence(silence))
        silences = {**self.kept.silences, (silence.tenant, silence.id): silence}
        count = sum(tenant == silence.tenant for tenant, _ in silences)
        _too_large(_beyond(count, limits.SILENCES_PER_TENANT, "silences"))
        self.kept.silences = silences

    async def rules(self) -> list[RuleText]:
        self._works()
        return [text for _, text in sorted(self.kept.rules.items())]

    async def put_rules(self, text: RuleText) -> None:
        self._works()
        _too_large(alertbounds.rule_text(text))
        rules = {**self.kept.rules, (text.tenant, text.folder, text.group): text}
        count = sum(tenant == text.tenant for tenant, _, _ in rules)
        _too_large(_beyond(count, limits.RULE_TEXTS_PER_TENANT, "groups of rules"))
        self.kept.rules = rules

    async def delete_rules(self, tenant: str, folder: str, group: str = "") -> int:
        self._works()
        wanted = (tenant, folder, group) if group else (tenant, folder)
        found = [key for key in self.kept.rules if key[: len(wanted)] == wanted]
        for key in found:
            del self.kept.rules[key]
        return len(found)

    async def sweep(self, before_ns: int) -> None:
        self._works()
        self.kept.silences = {
            key: one for key, one in self.kept.silences.items() if one.ends_ns >= before_ns
        }
        left: Counter[str] = Counter()
        told: dict[tuple[str, str, str], Told] = {}
        found = self.kept.told.items()
        for key, one in sorted(found, key=lambda item: (not item[1].firing, -item[1].at_ns)):
            if not one.firing and one.at_ns < before_ns:
                continue
            left[one.tenant] += 1
            if left[one.tenant] <= limits.ALERT_GROUPS_PER_TENANT:
                told[key] = one
        self.kept.told = told

    def _works(self) -> None:
        if self.failure:
            raise self.failure

    def _leads(self) -> None:
        self._works()
        if self._holder and self.kept.leader[0] != self._holder:
            raise StoreError("another process evaluates alerts by now; wait until it leaves that")


def _group(notice: Notice) -> tuple[str, str, str]:
    return (notice.tenant, notice.receiver, notice.group)


def _bound(notices: Sequence[Notice]) -> None:
    """Of one receiver."""
    longest = max(Counter(map(_group, notices)).values())
    size = sum(len(one.body) for one in notices)
    _refuse(_beyond(len(notices), limits.ALERT_NOTICES_PER_RECEIVER, "notices"))
    _refuse(_beyond(longest, limits.ALERT_NOTICES_PER_GROUP, "notices of one group"))
    _refuse(_beyond(size, limits.ALERT_NOTICES_BYTES, "bytes of notices"))


def _beyond(count: int, bound: int, what: str) -> str:
    return f"{count} {what}, more than {bound}" if count > bound else ""


def _refuse(reason: str) -> None:
    if reason:
        raise StoreError(reason)


def _too_large(reason: str) -> None:
    if reason:
        raise TooLarge(reason)
