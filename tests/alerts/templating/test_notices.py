"""Notices for people, of labels that somebody else wrote."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.templating.notices import Shown, body, for_chat, title
from tailrace.core.alerting import Alert, Phase
from tailrace.core.limits import NOTICE_CHARS, NOTICE_TITLE_CHARS, NOTICE_VALUE_CHARS
from tailrace.core.visible import is_hidden

SINCE_NS = 1_767_225_600_000_000_000
ANY = st.text(st.characters(exclude_categories=()), max_size=40)


def shown(firing: bool = True, name: str = "HighErrors", text: str = "", **labels: str) -> Shown:
    annotations = {"summary": text} if text else {}
    return Shown(firing, {"alertname": name, **labels}, annotations, SINCE_NS, 5.0)


def test_a_title_says_how_many_fire_and_of_which_group() -> None:
    group = {"alertname": "HighErrors", "region": "eu"}
    assert title([shown(), shown(), shown(False)], group) == "[FIRING:2] HighErrors region=eu"


def test_a_title_of_what_is_over_says_so() -> None:
    assert title([shown(False)], {}) == "[RESOLVED] HighErrors"


def test_a_title_of_different_alerts_counts_them() -> None:
    assert title([shown(), shown(name="Down")], {}) == "[FIRING:2] 2 alerts"


def test_a_body_has_annotations_labels_value_and_time() -> None:
    found = body([shown(text="5 of 100 failed", job="api", host="a")], "https://logs.example.org")
    assert found == (
        "HighErrors: firing since 2026-01-01 00:00:00 UTC, value 5\n"
        "  summary: 5 of 100 failed\n"
        "  labels: host=a job=api\n"
        "\n"
        "https://logs.example.org"
    )


def test_alerts_that_fire_come_before_those_that_are_over() -> None:
    found = body([shown(False, "Old"), shown(True, "New")])
    assert found.index("New: firing") < found.index("Old: resolved")


def test_an_alert_is_shown_as_it_stands() -> None:
    labels = (("alertname", "Down"), ("host", "a"))
    times = {"active_ns": 1, "fired_ns": 2, "ended_ns": 3}
    alert = Alert("shop", "r1", labels, (("summary", "x"),), Phase.FIRING, 5.0, **times)
    assert Shown.of(alert) == Shown(True, dict(labels), {"summary": "x"}, 2, 5.0)
    over = Alert("shop", "r1", labels, (), Phase.RESOLVED, 5.0, **times)
    assert (Shown.of(over).firing, Shown.of(over).since_ns) == (False, 3)


def test_lines_of_an_annotation_cannot_pass_for_ours() -> None:
    found = body([shown(text="first\nDown: firing since 2026\r\n  labels: job=x\rmore")])
    assert found.splitlines()[1:] == [
        "  summary: first",
        "      Down: firing since 2026",
        "        labels: job=x\\rmore",
    ]


def test_control_characters_are_shown_and_not_sent() -> None:
    found = body([shown(text="\x1b[31mred\u202e", job="a\nb")])
    assert "\\x1b[31mred\\u{202e}" in found
    assert "job=a\\nb" in found


def test_a_long_value_is_cut() -> None:
    found = body([shown(text="x" * 5_000)])
    assert "x" * (NOTICE_VALUE_CHARS - 3) + "..." in found
    assert "x" * (NOTICE_VALUE_CHARS - 2) not in found


def test_a_body_of_many_alerts_says_how_many_it_leaves_out() -> None:
    alerts = [shown(text="x" * 900, host=f"{n}") for n in range(50)]
    *parts, last = body(alerts).split("\n\n")
    assert last == f"and {50 - len(parts)} more alerts"
    assert len(body(alerts)) <= NOTICE_CHARS + 100


def test_a_title_is_no_longer_than_it_may_be() -> None:
    assert len(title([shown()], {"a": "x" * 1_000})) == NOTICE_TITLE_CHARS


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("<!channel> <!here> <@U123>", "&lt;!channel&gt; &lt;!here&gt; &lt;@\u200bU123&gt;"),
        ("@channel and @here", "@\u200bchannel and @\u200bhere"),
        ("<http://evil.example|the bank>", "&lt;http://evil.example|the bank&gt;"),
        ("[the bank](http://evil.example)", "[the bank]\u200b(http://evil.example)"),
        ("![](http://evil.example/a.png)", "![]\u200b(http://evil.example/a.png)"),
        ("a & b", "a &amp; b"),
        ("somebody@example.org", "somebody@example.org"),
        ("rate[5m] > 1", "rate[5m] &gt; 1"),
    ],
)
def test_a_chat_finds_no_mention_and_no_link(text: str, becomes: str) -> None:
    assert for_chat(text) == becomes


@given(ANY, ANY, ANY)
def test_a_title_is_one_line_that_a_mail_takes_as_its_subject(
    name: str, label: str, value: str
) -> None:
    found = title([shown(name=name)], {label: value})
    assert not any(map(is_hidden, found))
    message = EmailMessage(policy=SMTP)
    message["Subject"] = found
    message.set_content(body([shown(name=name, text=value)]))
    head, _, _ = message.as_bytes().partition(b"\r\n\r\n")
    kept = ("Subject:", "Content-", "MIME-", " ")
    assert all(line.startswith(kept) for line in head.decode().split("\r\n"))


@given(st.dictionaries(ANY, ANY, max_size=3), st.dictionaries(ANY, ANY, max_size=3), st.floats())
def test_a_body_of_anything_hides_nothing(
    labels: dict[str, str], annotations: dict[str, str], value: float
) -> None:
    found = body([Shown(True, labels, annotations, SINCE_NS, value)])
    assert not any(is_hidden(char) for char in found if char not in "\n\t")
    assert not any(line[:1] not in (" ", "") for line in found.split("\n")[1:])
