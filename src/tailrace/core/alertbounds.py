"""Whether what is to be kept of alerts has a size that can be kept.

Each gives the reason why it has not, or "". No reason holds anything of an alert's labels, for they
are made from rows.
"""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Notice, RuleText, Silence


def alert(one: Alert) -> str:
    """For an alert, which names its rule."""
    for what, labels, bound in (
        ("labels", one.labels, limits.ALERT_LABELS_CHARS),
        ("annotations", one.annotations, limits.ALERT_ANNOTATIONS_CHARS),
    ):
        if (chars := _chars(labels)) > bound:
            return (
                f"{what} of an alert of rule {one.rule} have {chars} characters, more than {bound}"
            )
    return ""


def notice(one: Notice) -> str:
    """For a notice."""
    if len(one.body) > limits.ALERT_NOTICE_BYTES:
        most = limits.ALERT_NOTICE_BYTES
        return f"a notice for {one.receiver} has {len(one.body)} bytes, more than {most}"
    return _name("receiver", one.receiver)


def silence(one: Silence) -> str:
    """For a silence."""
    if len(one.matchers) > limits.SILENCE_MATCHERS:
        most = limits.SILENCE_MATCHERS
        return f"a silence has {len(one.matchers)} matchers, more than {most}"
    chars = sum(len(m.name) + len(m.value) for m in one.matchers)
    chars += len(one.author) + len(one.comment)
    if chars > limits.SILENCE_CHARS:
        return f"a silence has {chars} characters, more than {limits.SILENCE_CHARS}"
    return _name("silence", one.id)


def rule_text(one: RuleText) -> str:
    """For a group of rules."""
    if len(one.text) > limits.RULE_TEXT_CHARS:
        most = limits.RULE_TEXT_CHARS
        return f"a group of rules has {len(one.text)} characters, more than {most}"
    return _name("folder", one.folder) or _name("group", one.group)


def _chars(labels: Labels) -> int:
    return sum(len(name) + len(value) for name, value in labels)


def _name(what: str, text: str) -> str:
    if len(text) > limits.ALERT_NAME_CHARS:
        return f"name of a {what}: {len(text)} characters, more than {limits.ALERT_NAME_CHARS}"
    # Half a character of UTF-16 is no text, and databases take no character 0.
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return f"name of a {what}: it holds a character that is none"
    return ""
