"""One rule that watches lines: what lines make of its alerts, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.alerts.evaluation.answers import describe, group

from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.streaming.lines import Line, message
from tailrace.alerts.streaming.stream import LINE, TOO_MANY, Stream
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase

S = 1_000_000_000
NOW = 1_800_000_000 * S
RULE = Rule('{a="b"} |= "panic"', "logql", alert="Panic", streams=True, quiet_ns=60 * S)
OWNER = Owner("shop", "1", RULE)
PAY = (("service_name", "pay"),)
WEB = (("service_name", "web"),)


def lines(key: Labels, *texts: str) -> list[Line]:
    return [Line(key, text) for text in texts]


class Play:
    def __init__(self, alerts: Sequence[Alert] = (), complete_ns: int = 0) -> None:
        self.described: list[tuple[Labels, float]] = []
        kept = {alert.labels: alert for alert in alerts}
        self.one = Stream(group(RULE), OWNER, self._describe, kept, complete_ns)

    async def _describe(
        self, owner: Owner, of: Group, at_ns: int, found: Sequence[tuple[Labels, float]]
    ) -> list[Held]:
        self.described += found
        return await describe(owner, of, at_ns, found)

    def alert(self, key: Labels = PAY) -> Alert:
        return next(one for one in self.one.alerts.values() if set(key) <= set(one.labels))


def run(play: Callable[[Play], Awaitable[None]], it: Play | None = None) -> None:
    async def whole() -> None:
        await play(it or Play())

    asyncio.run(whole())


def test_a_line_fires_an_alert_of_its_labels_at_once() -> None:
    async def play(it: Play) -> None:
        await it.one.take([*lines(PAY, "panic: a", "panic: b"), *lines(WEB, "panic: c")], NOW)
        found = it.alert()
        assert (found.phase, found.value, found.fired_ns) == (Phase.FIRING, 2.0, NOW)
        assert dict(found.labels) == {"alertname": "Panic", "service_name": "pay"}
        assert it.alert(WEB).value == 1.0

    run(play)


def test_the_line_that_made_it_fire_is_for_annotations_and_no_label() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "panic: a", "panic: b"), NOW)
        assert dict(it.described[0][0])[LINE] == "panic: a"
        await it.one.take(lines(PAY, "panic: c"), NOW + S)
        assert len(it.described) == 1
        await it.one.describe(NOW + 15 * S)
        told, value, _ = it.described[-1]
        assert (dict(told)[LINE], value) == ("panic: a", 3.0)

    run(play)


def test_it_is_resolved_when_no_line_came_for_so_long() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "a"), NOW)
        await it.one.take(lines(PAY, "b"), NOW + 50 * S)
        it.one.look(NOW + 109 * S)
        assert it.alert().phase is Phase.FIRING
        it.one.look(NOW + 110 * S)
        assert (it.alert().phase, it.alert().ended_ns) == (Phase.RESOLVED, NOW + 110 * S)

    run(play)


def test_a_line_after_that_fires_it_anew() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "a"), NOW)
        it.one.look(NOW + 60 * S)
        await it.one.take(lines(PAY, "b"), NOW + 90 * S)
        found = it.alert()
        assert (found.phase, found.value, found.fired_ns, found.ended_ns) == (
            Phase.FIRING, 1.0, NOW + 90 * S, 0,
        )  # fmt: skip

    run(play)


def test_nothing_is_resolved_while_lines_may_have_been_missed() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "a"), NOW)
        it.one.behind = True
        it.one.look(NOW + 600 * S)
        assert it.alert().phase is Phase.FIRING
        await it.one.made_up([], NOW + 600 * S, NOW + 599 * S)
        it.one.look(NOW + 600 * S)
        assert it.alert().phase is Phase.RESOLVED

    run(play)


def test_lines_that_are_read_back_count_in_place_of_those_that_were_seen() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "a"), NOW)
        await it.one.made_up(lines(PAY, "a", "missed"), NOW + S, NOW + S)
        assert it.alert().value == 2.0
        await it.one.take(lines(PAY, "b"), NOW + 2 * S)
        assert it.alert().value == 3.0

    run(play)


def test_an_alert_of_before_a_restart_goes_on() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "a", "b"), NOW)
        again = Play([it.alert()], NOW)
        assert again.one.behind
        await again.one.made_up(lines(PAY, "c"), NOW + 9 * S, NOW + 9 * S)
        found = again.alert()
        assert (found.fired_ns, found.left_ns, found.value) == (NOW, NOW + 9 * S, 3.0)
        assert again.one.news(False) == []

    run(play)


def test_one_rule_fires_for_so_many_label_sets_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STREAM_LABEL_SETS", 2)

    async def play(it: Play) -> None:
        keys = [(("pod", str(n)),) for n in range(3)]
        await it.one.take([line for key in keys for line in lines(key, "a")], NOW)
        assert (len(it.one.alerts), it.one.trouble) == (2, TOO_MANY)
        it.one.look(NOW + 60 * S)
        await it.one.take(lines(keys[2], "a"), NOW + 61 * S)
        assert it.one.trouble == ""
        assert it.alert(keys[2]).phase is Phase.FIRING

    run(play)


def test_labels_that_a_rule_makes_alike_are_one_alert() -> None:
    rule = Rule("", "logql", alert="Panic", labels=(("service_name", "any"),), quiet_ns=S)

    async def play(_: Play) -> None:
        one = Stream(group(rule), Owner("shop", "1", rule), describe, {})
        await one.take([*lines(PAY, "a"), *lines(WEB, "b")], NOW)
        [alert] = one.alerts.values()
        assert alert.value == 2.0

    run(play)


def test_a_message_of_a_live_tail_gives_lines_by_the_labels_that_are_asked_for() -> None:
    text = (
        '{"streams":[{"stream":{"service_name":"pay","pod":"1"},"values":[["1","panic",'
        '{"structuredMetadata":{"trace":"t"},"parsed":{"code":"7"}}]]}],"dropped_entries":[]}'
    )
    by = Rule("", "logql", alert="A", by=("service_name", "code", "none"), streams=True)
    [plain] = message(text).lines(RULE)
    assert plain == Line((("pod", "1"), ("service_name", "pay")), "panic")
    [one] = message(text).lines(by)
    assert one.key == (("code", "7"), ("service_name", "pay"))


def test_of_a_long_line_the_beginning_is_kept() -> None:
    long = "x" * (limits.STREAM_LINE_CHARS + 1)
    text = '{"streams":[{"stream":{},"values":[["1","' + long + '",{}]]}]}'
    [line] = message(text).lines(RULE)
    assert line.text == "x" * limits.STREAM_LINE_CHARS


def test_what_was_told_before_the_clock_was_set_is_let_go() -> None:
    async def play(it: Play) -> None:
        await it.one.take(lines(PAY, "panic"), NOW)
        it.one.look(NOW + 60 * S)
        resolved = it.alert()
        it.one.kept = dict(it.one.alerts)
        it.one.move(3_600 * S)
        it.one.told(resolved)
        assert (it.one.alerts, it.one.kept) == ({}, {})

    run(play)
