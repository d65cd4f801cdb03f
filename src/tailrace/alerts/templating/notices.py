"""Notices for people, where a receiver has no words of its own: a title and a body, plain text.

Labels and annotations come out of logs, so nothing in them is obeyed: control characters are shown
as escapes, a line of theirs cannot pass for one of ours, and what a chat would take for a mention
or a link is broken up by `for_chat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tailrace.core.alerting import Alert, Phase
from tailrace.core.limits import NOTICE_CHARS, NOTICE_TITLE_CHARS, NOTICE_VALUE_CHARS
from tailrace.core.visible import visible
from tailrace.query.pipeline.template.values import float_text

ALERT_NAME = "alertname"
_CHAT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# No character of ours: without a width, it parts what would be read together.
_PARTED = "\u200b"
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_LINK = re.compile(r"\](?=[(\[])")


@dataclass(frozen=True)
class Shown:
    """An alert as people are told of it. `value`: None where nobody knows. `since_ns`: when it
    began to fire, or was resolved."""

    firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since_ns: int
    value: float | None = None

    @classmethod
    def of(cls, alert: Alert) -> Shown:
        """An alert that fires or was resolved."""
        firing = alert.phase is not Phase.RESOLVED
        since_ns = alert.fired_ns if firing else alert.ended_ns
        return cls(firing, dict(alert.labels), dict(alert.annotations), since_ns, alert.value)

    @property
    def name(self) -> str:
        return self.labels.get(ALERT_NAME, "")


def title(alerts: Sequence[Shown], group_labels: Mapping[str, str]) -> str:
    """`[FIRING:2] HighErrors region=eu`: one line that is safe as the subject of a mail, too."""
    firing = sum(one.firing for one in alerts)
    status = f"FIRING:{firing}" if firing else "RESOLVED"
    names = {one.name for one in alerts}
    name = group_labels.get(ALERT_NAME) or (names.pop() if len(names) == 1 else "")
    others = _pairs({k: v for k, v in group_labels.items() if k != ALERT_NAME})
    words = (f"[{status}]", visible(name) or f"{len(alerts)} alerts", others)
    return _cut(" ".join(word for word in words if word).replace("\t", " "), NOTICE_TITLE_CHARS)


def body(alerts: Sequence[Shown], external_url: str = "") -> str:
    """A paragraph for each alert, those that fire first, as many as NOTICE_CHARS hold.

    `external_url`: where to look.
    """
    ordered = sorted(alerts, key=lambda one: not one.firing)
    parts: list[str] = []
    left = NOTICE_CHARS
    for number, alert in enumerate(ordered):
        part = "\n".join(_lines(alert))
        left -= len(part) + 2
        if left < 0 and parts:
            parts.append(f"and {len(ordered) - number} more alerts")
            break
        parts.append(_cut(part, NOTICE_CHARS))
    if external_url:
        parts.append(_line(external_url))
    return "\n\n".join(parts)


def for_chat(text: str) -> str:
    """For Slack and what is compatible with it: no mention, no link and no markup of theirs."""
    parted = _LINK.sub(f"]{_PARTED}", _MENTION.sub(f"@{_PARTED}", text))
    return parted.translate(_CHAT)


def _lines(alert: Shown) -> Iterator[str]:
    status = "firing" if alert.firing else "resolved"
    value = "" if alert.value is None else f", value {float_text(alert.value)}"
    yield f"{_line(alert.name) or 'an alert'}: {status} since {_moment(alert.since_ns)}{value}"
    for name, text in sorted(alert.annotations.items()):
        if text:
            yield f"  {_line(name)}: {_indented(text)}"
    labels = _pairs({k: v for k, v in alert.labels.items() if k != ALERT_NAME})
    if labels:
        yield f"  labels: {labels}"


def _pairs(labels: Mapping[str, str]) -> str:
    return " ".join(f"{_line(name)}={_line(value)}" for name, value in sorted(labels.items()))


def _line(text: str) -> str:
    return visible(_cut(text, NOTICE_VALUE_CHARS))


def _indented(text: str) -> str:
    """Its own lines stay lines, further in than any of ours."""
    lines = _cut(text.strip(), NOTICE_VALUE_CHARS).replace("\r\n", "\n").split("\n")
    return "\n      ".join(map(visible, lines))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
