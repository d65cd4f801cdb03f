"""What the rooms know of alerts: how each of them stands, and who is still to be told.

An alert is one label set of one rule for which its condition holds. It is pending until that was
so for as long as the rule says, then it fires, and when the condition ends it is resolved. All of
it is durable before anybody is told, so that a restart goes on where the last evaluation was.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec
import xxhash

# Sorted by name.
Labels = tuple[tuple[str, str], ...]


class Phase(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True):
    """How one alert stands. Its identity is `tenant`, `rule` and `labels`.

    `rule` is of alerts/rule.py:rule_id; `labels` hold `alertname`. Times are of evaluations, UTC
    nanoseconds, 0 for never: `active_ns` since when the condition holds, `fired_ns` since when it
    fires, `left_ns` when the condition first did not hold any more while the alert fires,
    `ended_ns` when it was resolved. One that is pending again keeps `fired_ns` and `ended_ns` of
    before until it fires: its end may not have been told yet. `value` and `annotations` are those
    of the last evaluation; after a restart they may be older.

    `missed_ns` is when it fired last at a slot that was evaluated after later ones were due: nobody
    could be told then, so whoever did not hear of it since is told when it has ended.
    """

    tenant: str
    rule: str
    labels: Labels
    annotations: Labels
    phase: Phase
    value: float
    active_ns: int
    fired_ns: int = 0
    left_ns: int = 0
    ended_ns: int = 0
    missed_ns: int = 0

    @property
    def key(self) -> tuple[str, str, Labels]:
        return (self.tenant, self.rule, self.labels)


class Evaluated(msgspec.Struct, frozen=True):
    """The last evaluation of a rule: at which slot, how long it took, and the words of its error,
    "" where there was none. `missed` slots had none before it, since the rule was loaded."""

    tenant: str
    rule: str
    slot_ns: int
    took_s: float = 0.0
    error: str = ""
    missed: int = 0


class Told(msgspec.Struct, frozen=True):
    """What a receiver was last told of a group of alerts: fingerprints of those that fired and of
    those that were resolved. Its key is `tenant`, `receiver` and `group`."""

    tenant: str
    receiver: str
    group: str
    at_ns: int
    firing: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.tenant, self.receiver, self.group)


class Notice(msgspec.Struct, frozen=True):
    """Something to be sent to a receiver: `body` is JSON that the receiver's kind understands.

    `id` grows with time. Of one `tenant`, `receiver` and `group` they are sent in their order.
    `due_ns`: not before then. `attempts` have failed, the last one with the words `error`.
    `replaceable`: whatever is told of the group next says all that this says, so that need not be
    sent any more. It never is where an alert is resolved in it: no later notice says that again.
    """

    id: int
    tenant: str
    receiver: str
    group: str
    body: bytes
    made_ns: int
    due_ns: int
    attempts: int = 0
    error: str = ""
    replaceable: bool = False


class Matcher(msgspec.Struct, frozen=True):
    """`name` `op` `value`; op is one of = != =~ !~, and a label that is missing is ""."""

    name: str
    op: str
    value: str


class Silence(msgspec.Struct, frozen=True):
    """Alerts of a tenant that all `matchers` match are not told from `starts_ns` to `ends_ns`."""

    id: str
    tenant: str
    matchers: tuple[Matcher, ...]
    starts_ns: int
    ends_ns: int
    author: str
    comment: str
    updated_ns: int


class RuleText(msgspec.Struct, frozen=True):
    """A group of rules that came by the API: `text` is its YAML. `folder` is Loki's namespace."""

    tenant: str
    folder: str
    group: str
    text: str
    updated_ns: int


class AlertStore(Protocol):
    """Who keeps all of it. Each call is one transaction and durable when it returns; all raise
    StoreError, and then nothing of the call was kept. What is too large is refused, see
    alertbounds.py: with TooLarge where it came by the API, else with StoreError.

    Several processes may share one store. One of them leads: it evaluates and sends. As soon as
    another one leads, `evaluated`, `forget`, `tell`, `sent` and `failed` are a StoreError for
    whoever has called `lead` before, so its clock may be as wrong as it likes.
    """

    async def lead(self, holder: str, until_ns: int, now_ns: int) -> bool:
        """Lead, or go on leading, until then; False while somebody else does.

        A `holder` that begins again under its name goes on at once; with `until_ns` = `now_ns` it
        gives the lead up. No lease counts for longer than limits.ALERT_LEASE_S from `now_ns` of
        whoever asks: one that a wrong clock made longer would keep all others out. So where two
        clocks differ by more than a lease, one may take the lead while the other has it. Then a
        notice may be sent twice, but what is kept stays whole.
        """
        ...

    async def alerts(self, tenant: str = "") -> list[Alert]:
        """Of a tenant, or of all."""
        ...

    async def evaluations(self) -> list[Evaluated]:
        """The last of each rule."""
        ...

    async def evaluated(
        self, last: Sequence[Evaluated], changed: Sequence[Alert], gone: Sequence[Alert]
    ) -> None:
        """Some rules were evaluated: alerts that are otherwise now, and those that are no more.

        When no alert has changed it may not be durable yet: it survives the end of the process,
        but a power failure may take it, and then some slots more count as missed.
        """
        ...

    async def forget(self, tenant: str, rule: str) -> None:
        """A rule that is no more, and its alerts."""
        ...

    async def told(self) -> list[Told]:
        """Of all groups that were told something."""
        ...

    async def tell(
        self, told: Sequence[Told], notices: Sequence[Notice], gone: Sequence[Alert]
    ) -> None:
        """Put notices into the outbox, which gives them their ids. `gone`: resolved alerts that
        everybody was told of; one that is not RESOLVED by now stays.

        A notice takes the place of those of its group that waited before, are `replaceable` and
        were not tried. StoreError when there would still be too many for its receiver: then nothing
        is lost, since alerts stay until they are told; tell how they are when some have left.
        """
        ...

    async def waiting(self, most: int, apart_from: Sequence[tuple[str, str]] = ()) -> list[Notice]:
        """The oldest notices that were not sent, due or not, by id, but for those of these tenants
        and receivers: so what is not taken hides nothing of another receiver or tenant."""
        ...

    async def sent(self, notice: Notice) -> None:
        """It arrived, or is given up: it leaves the outbox, if it is still there."""
        ...

    async def failed(self, notice: Notice, due_ns: int, error: str) -> None:
        """One more attempt was in vain. Of `error` the first limits.ALERT_ERROR_CHARS are kept."""
        ...

    async def silences(self, tenant: str = "") -> list[Silence]:
        """Of a tenant, or of all; those that are over too, until they are swept."""
        ...

    async def silence(self, silence: Silence) -> None:
        """Begin one, or change it. Raises TooLarge."""
        ...

    async def rules(self) -> list[RuleText]:
        """Those that came by the API."""
        ...

    async def put_rules(self, text: RuleText) -> None:
        """Begin a group, or replace it. Raises TooLarge."""
        ...

    async def delete_rules(self, tenant: str, folder: str, group: str = "") -> int:
        """A group, or all of a folder; how many there were."""
        ...

    async def sweep(self, before_ns: int) -> None:
        """Let silences go that ended before then, and groups told something last before then of
        which nothing fires that was told: an end is told however late. Beyond
        limits.ALERT_GROUPS_PER_TENANT those of a tenant go that were told longest ago, of which
        something fires after the others."""
        ...


def fingerprint(labels: Labels) -> str:
    """16 hexadecimal digits for a label set."""
    joined = "\xff".join(f"{name}\xfe{value}" for name, value in labels)
    return xxhash.xxh3_64_hexdigest(joined.encode(errors="surrogatepass"))
