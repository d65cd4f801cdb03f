"""What a notice holds: Alertmanager's webhook JSON, version 4, whatever the kind of its receiver.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. `groupKey` has the tenant
in front of it, so that those of two tenants are never the same to whoever joins notices by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase, fingerprint

_NEVER = "0001-01-01T00:00:00Z"
# What a character of labels may take in JSON, counted twice for those that all have in common; and
# what an alert has beside them.
_JSON_BYTES = 12
_OWN_CHARS = 40


class SaidAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One of a message. `ends_at` is the year 1 while it fires, as in Alertmanager."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str
    generator_url: str = msgspec.field(name="generatorURL")
    fingerprint: str = ""

    @property
    def fires(self) -> bool:
        return self.status == "firing"


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a notice; `status` is "firing" while any alert of the group does."""

    receiver: str
    status: str
    alerts: list[SaidAlert]
    group_labels: dict[str, str]
    common_labels: dict[str, str]
    common_annotations: dict[str, str]
    external_url: str = msgspec.field(name="externalURL")
    version: str = "4"
    group_key: str = ""
    truncated_alerts: int = 0


def bodies(
    key: tuple[str, str, str],
    labels: Mapping[str, str],
    firing: Sequence[Alert],
    resolved: Sequence[Alert],
    external_url: str,
) -> Iterator[bytes]:
    """What there is to tell of one group, whose key is `key`: as few messages as may be."""
    tenant, receiver, group = key
    for some in _parts([*firing, *resolved]):
        message = Message(
            receiver=receiver,
            status="firing" if firing else "resolved",
            alerts=[_said(one, external_url) for one in some],
            group_labels=dict(labels),
            common_labels=_common([one.labels for one in some]),
            common_annotations=_common([one.annotations for one in some]),
            external_url=external_url,
            group_key=f"{tenant}:{group}",
        )
        yield _encoded(message)


def _parts(alerts: Sequence[Alert]) -> Iterator[list[Alert]]:
    """As many as fit: their labels stand in a notice once for each, and may for all."""
    part: list[Alert] = []
    most = left = limits.ALERT_NOTICE_BYTES // 2 // _JSON_BYTES
    for alert in alerts:
        size = _OWN_CHARS + sum(len(k) + len(v) for k, v in (*alert.labels, *alert.annotations))
        if part and (size > left or len(part) == limits.ALERTS_PER_NOTICE):
            yield part
            part, left = [], most
        part.append(alert)
        left -= size
    if part:
        yield part


def _encoded(message: Message) -> bytes:
    """A label may hold half a character, which is shown as a question mark."""
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:
        plain = json.dumps(msgspec.to_builtins(message), ensure_ascii=False)
        return plain.encode(errors="replace")


def read(body: bytes) -> Message:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(body, type=Message)


def _said(alert: Alert, external_url: str) -> SaidAlert:
    fires = alert.phase is Phase.FIRING
    return SaidAlert(
        status="firing" if fires else "resolved",
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=moment(alert.fired_ns),
        ends_at=_NEVER if fires else moment(alert.ended_ns),
        generator_url=external_url,
        fingerprint=fingerprint(alert.labels),
    )


def _common(each: Sequence[Labels]) -> dict[str, str]:
    common = set(each[0]).intersection(*each[1:])
    return {name: value for name, value in each[0] if (name, value) in common}


def moment(ns: int) -> str:
    """RFC 3339 with as many digits as it needs, as Go writes it."""
    if not ns:
        return _NEVER
    seconds, rest = divmod(ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{whole}{digits}Z"
