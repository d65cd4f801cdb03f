"""What is too large for an AlertStore, or too much: refused, and then nothing of it is kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tailrace.core import limits
from tailrace.core.alerting import Alert, Evaluated, Matcher, Phase, RuleText, Silence, Told
from tailrace.core.errors import StoreError, TooLarge

from .alertstores import Open, Run, alert, bodies, names, notice, place, run, server, silence, text

__all__ = ["place", "run", "server"]
SECRET = "4111-1111"


def large(field: str, chars: int) -> Alert:
    return replace(alert(9), **{field: (("card", SECRET.ljust(chars, "x")),)})


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("labels", limits.ALERT_LABELS_CHARS),
        ("annotations", limits.ALERT_ANNOTATIONS_CHARS),
    ],
)
def test_an_alert_that_says_too_much_is_refused_and_not_quoted(
    run: Run, field: str, most: int
) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([Evaluated("shop", "r", 1)], [large(field, most - 4)], [])
        with pytest.raises(StoreError, match=f"{field} of an alert of rule r") as refused:
            await store.evaluated([Evaluated("shop", "r", 2)], [alert(), large(field, most)], [])
        assert SECRET not in str(refused.value)
        assert await store.alerts() == [large(field, most - 4)]
        assert await store.evaluations() == [Evaluated("shop", "r", 1)]

    run(use)


def test_a_tenant_has_so_many_alerts_and_no_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERTS_PER_TENANT", 2)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], [alert(1), alert(2), alert(1, tenant="bank")], [])
        with pytest.raises(StoreError, match="3 alerts, more than 2"):
            await store.evaluated([], [alert(3)], [])
        await store.evaluated([], [alert(3)], [alert(1)])
        assert await names(store) == ["h1", "h2", "h3"]

    run(use)


@pytest.mark.parametrize(
    ("limit", "most", "group"),
    [
        ("ALERT_NOTICES_PER_RECEIVER", 2, "other"),
        ("ALERT_NOTICES_PER_GROUP", 2, "g"),
        ("ALERT_NOTICES_BYTES", 5, "other"),
    ],
)
def test_a_receiver_has_so_much_waiting_and_no_more(
    run: Run, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, group: str
) -> None:
    monkeypatch.setattr(limits, limit, most)
    ended = alert(phase=Phase.RESOLVED)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], [ended], [])
        await store.tell([], [notice("11"), notice("22"), notice("33", receiver="chat")], [])
        with pytest.raises(StoreError, match=f"more than {most}"):
            await store.tell([Told("shop", "mail", group, 1)], [notice("44", group)], [ended])
        assert await bodies(store) == ["11", "22", "33"]
        assert await store.told() == []
        assert await store.alerts() == [ended]
        await store.sent((await store.waiting(1))[0])
        await store.tell([], [notice("44", group)], [ended])
        assert await bodies(store) == ["22", "33", "44"]

    run(use)


def test_news_find_room_where_what_they_replace_was(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ALERT_NOTICES_PER_RECEIVER", 2)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice("1"), notice("2", news=False)], [])
        await store.tell([], [notice("3", news=False)], [])
        assert await bodies(store) == ["1", "3"]

    run(use)


def test_a_notice_that_is_too_large_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_NOTICE_BYTES", 9)

    async def use(opened: Open) -> None:
        store = await opened()
        with pytest.raises(StoreError, match="a notice for mail has 10 bytes"):
            await store.tell([], [notice(SECRET + "x")], [])
        assert await bodies(store) == []

    run(use)


def many_matchers() -> Silence:
    return replace(silence(), matchers=(Matcher("a", "=", "b"),) * (limits.SILENCE_MATCHERS + 1))


@pytest.mark.parametrize(
    "one",
    [
        many_matchers(),
        replace(silence(), comment="x" * limits.SILENCE_CHARS),
        silence("x" * (limits.ALERT_NAME_CHARS + 1)),
        silence("a\0"),
    ],
    ids=["matchers", "comment", "id", "no character"],
)
def test_a_silence_that_says_too_much_is_refused(run: Run, one: Silence) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        with pytest.raises(TooLarge):
            await store.silence(one)
        assert await store.silences() == []

    run(use)


@pytest.mark.parametrize(
    "one",
    [
        replace(text(), text="x" * (limits.RULE_TEXT_CHARS + 1)),
        text("x" * (limits.ALERT_NAME_CHARS + 1)),
        text(folder="half \ud800"),
    ],
    ids=["text", "group", "folder"],
)
def test_rules_that_say_too_much_are_refused(run: Run, one: RuleText) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        with pytest.raises(TooLarge):
            await store.put_rules(one)
        assert await store.rules() == []

    run(use)


def test_names_of_rules_may_be_as_long_as_a_key_of_the_database(run: Run) -> None:
    longest = "\U0001f600" * limits.ALERT_NAME_CHARS
    one = RuleText(longest, longest, longest, "", 1)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.put_rules(one)
        assert await store.rules() == [one]

    run(use)


def test_a_tenant_has_so_many_silences_and_rules_and_no_more(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SILENCES_PER_TENANT", 1)
    monkeypatch.setattr(limits, "RULE_TEXTS_PER_TENANT", 1)

    async def use(opened: Open) -> None:
        store = await opened()
        for tenant in ("shop", "bank"):
            await store.silence(silence(tenant=tenant))
            await store.put_rules(text(tenant=tenant))
        with pytest.raises(TooLarge, match="more than 1"):
            await store.silence(silence("b"))
        with pytest.raises(TooLarge, match="more than 1"):
            await store.put_rules(text("b"))
        await store.silence(silence())
        await store.put_rules(text())
        assert len(await store.silences()) == len(await store.rules()) == 2

    run(use)
