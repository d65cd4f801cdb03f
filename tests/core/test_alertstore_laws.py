"""The laws of an AlertStore. All there are are held to them, see alertstores.py."""

from __future__ import annotations

import asyncio
import math

import pytest
from msgspec.structs import replace

from tailrace.core import limits
from tailrace.core.alerting import Evaluated, Phase, Told
from tailrace.core.errors import StoreError

from .alertstores import ODD, Open, Run, S, alert, bodies, notice, place, run, server, silence, text

__all__ = ["place", "run", "server"]


# ---- alerts


def test_alerts_and_evaluations_come_back_as_they_were_given(run: Run) -> None:
    odd = replace(alert(), labels=((ODD, ODD),), annotations=((ODD, "x"), ("y", ODD)))
    infinite = replace(alert(2, Phase.PENDING), value=math.inf, annotations=())
    said = Evaluated("shop", "r", 15 * S, 0.25, ODD, 3)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([said], [odd, infinite], [])
        again = await opened()
        assert set(await again.alerts()) == {odd, infinite}
        assert await again.evaluations() == [said]

    run(use)


def test_a_value_that_is_no_number_comes_back(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], [replace(alert(), value=math.nan)], [])
        (found,) = await store.alerts()
        assert math.isnan(found.value)

    run(use)


def test_what_changed_takes_the_place_of_what_was_and_the_rest_stays(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([Evaluated("shop", "r", 1)], [alert(1), alert(2), alert(3)], [])
        changed = alert(2, Phase.RESOLVED)
        await store.evaluated([Evaluated("shop", "r", 2)], [changed], [alert(3)])
        assert set(await store.alerts()) == {alert(1), changed}
        assert await store.evaluations() == [Evaluated("shop", "r", 2)]

    run(use)


def test_labels_that_only_look_the_same_are_two_alerts(run: Run) -> None:
    one = replace(alert(), labels=(("host", "a,b"),))
    two = replace(alert(), labels=(("host", "a"), ("host2", "b")))
    three = replace(alert(), labels=(("host", "a\0b"),))

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], [one, two, three], [])
        await store.evaluated([], [], [two])
        assert set(await store.alerts()) == {one, three}

    run(use)


def test_a_rule_that_is_forgotten_takes_its_alerts_along_and_no_others(run: Run) -> None:
    others = [alert(1, rule="other"), alert(1, tenant="bank")]
    last = [Evaluated("shop", "r", 1), Evaluated("bank", "r", 1), Evaluated("shop", "other", 1)]

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated(last, [alert(1), *others], [])
        await store.forget("shop", "r")
        assert set(await store.alerts()) == set(others)
        assert set(await store.evaluations()) == set(last[1:])

    run(use)


def test_alerts_and_silences_of_one_tenant_can_be_asked_for(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], [alert(), alert(tenant="bank")], [])
        await store.silence(silence())
        await store.silence(silence(tenant="bank"))
        assert await store.alerts("bank") == [alert(tenant="bank")]
        assert await store.silences("bank") == [silence(tenant="bank")]
        assert await store.alerts("nobody") == []

    run(use)


# ---- the outbox


def test_what_was_told_of_a_group_is_the_last_that_was(run: Run) -> None:
    first = Told("shop", "mail", ODD, 1, ("a", "b"), ())
    other = Told("shop", "chat", ODD, 1, (), ("c",))

    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([first, other], [], [])
        last = replace(first, at_ns=2, firing=(), resolved=("a", "b"))
        await store.tell([last], [], [])
        assert set(await (await opened()).told()) == {last, other}

    run(use)


def test_notices_wait_in_their_order_with_ids_that_are_never_used_again(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice("1"), notice("2", ODD, tenant="bank")], [])
        first, second = await store.waiting(9)
        assert (second.tenant, second.group, second.body) == ("bank", ODD, b"2")
        assert (second.made_ns, second.due_ns, second.attempts, second.error) == (1, 2, 0, "")
        await store.sent(first)
        await store.sent(second)
        await store.tell([], [notice("3")], [])
        (third,) = await (await opened()).waiting(9)
        assert first.id < second.id < third.id

    run(use)


def test_a_notice_that_says_nothing_more_than_a_newer_one_leaves(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice("1", news=False), notice("x", "other", news=False)], [])
        await store.tell([], [notice("2"), notice("3", news=False)], [])
        assert await bodies(store) == ["x", "2", "3"]
        await store.tell([], [notice("4", news=False), notice("y", "g", "chat")], [])
        assert await bodies(store) == ["x", "2", "4", "y"]

    run(use)


def test_a_notice_that_was_tried_stays_until_it_is_sent(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice("1", news=False)], [])
        (first,) = await store.waiting(9)
        await store.failed(first, 7 * S, f"500 {ODD}")
        await store.tell([], [notice("2", news=False)], [])
        tried, _ = await store.waiting(9)
        assert tried == replace(first, due_ns=7 * S, attempts=1, error=f"500 {ODD}")
        await store.failed(tried, 9 * S, "x" * 2 * limits.ALERT_ERROR_CHARS)
        tried, _ = await store.waiting(9)
        assert tried.attempts == 2
        assert len(tried.error) == limits.ALERT_ERROR_CHARS
        await store.sent(tried)
        assert await bodies(store) == ["2"]

    run(use)


def test_a_notice_that_has_left_may_arrive_or_fail_once_more(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice("1"), notice("2")], [])
        first, _ = await store.waiting(9)
        await store.sent(first)
        await store.sent(first)
        await store.failed(first, 9, "late")
        assert await bodies(store) == ["2"]

    run(use)


def test_the_oldest_notices_are_given_of_the_receivers_that_are_wanted(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        await store.tell([], [notice(str(n), receiver="ab"[n % 2]) for n in range(6)], [])
        assert await bodies(store, 4) == ["0", "1", "2", "3"]
        assert await bodies(store, 2, (("shop", "a"),)) == ["1", "3"]
        assert await bodies(store, 2, (("bank", "a"), ("shop", "b"))) == ["0", "2"]
        assert await bodies(store, 2, (("shop", "a"), ("shop", "b"))) == []

    run(use)


def test_alerts_that_were_told_go_unless_they_are_back(run: Run) -> None:
    ended = [alert(n, Phase.RESOLVED) for n in range(2)]

    async def use(opened: Open) -> None:
        store = await opened()
        await store.evaluated([], ended, [])
        await store.evaluated([], [alert(1, Phase.PENDING)], [])
        await store.tell([], [], [*ended, alert(9, Phase.RESOLVED)])
        assert await store.alerts() == [alert(1, Phase.PENDING)]

    run(use)


# ---- who leads


def test_only_one_leads_until_its_lease_ends(run: Run) -> None:
    async def use(opened: Open) -> None:
        one, two = await opened(), await opened()
        assert await one.lead("one", 30 * S, 0)
        assert not await two.lead("two", 40 * S, 10 * S)
        assert await one.lead("one", 50 * S, 20 * S)
        assert not await two.lead("two", 79 * S, 49 * S)
        assert await two.lead("two", 80 * S, 50 * S)
        assert not await one.lead("one", 90 * S, 60 * S)

    run(use)


def test_of_many_that_want_to_lead_at_once_one_does(run: Run) -> None:
    async def use(opened: Open) -> None:
        stores = [await opened() for _ in range(4)]
        wanted = [store.lead(str(n), 30 * S, 0) for n, store in enumerate(stores)]
        assert sum(await asyncio.gather(*wanted)) == 1

    run(use)


def test_who_begins_again_under_its_name_leads_at_once(run: Run) -> None:
    async def use(opened: Open) -> None:
        assert await (await opened()).lead("one", 30 * S, 0)
        assert await (await opened()).lead("one", 31 * S, 1 * S)

    run(use)


def test_the_lead_may_be_given_up(run: Run) -> None:
    async def use(opened: Open) -> None:
        one, two = await opened(), await opened()
        assert await one.lead("one", 30 * S, 0)
        assert await one.lead("one", 5 * S, 5 * S)
        assert await two.lead("two", 35 * S, 5 * S)

    run(use)


def test_a_lease_of_a_wrong_clock_keeps_nobody_out_for_long(run: Run) -> None:
    longest = int(limits.ALERT_LEASE_S * S)

    async def use(opened: Open) -> None:
        one, two = await opened(), await opened()
        assert await one.lead("one", 10 * longest, 0)
        assert not await two.lead("two", 0, longest - 1)
        assert await two.lead("two", 2 * longest, longest)
        # A year ahead: no clock that is right ever gives so long a lease.
        assert await one.lead("one", 99 * longest, 98 * longest)
        assert await two.lead("two", 2 * longest, longest)

    run(use)


def test_who_leads_no_more_can_change_nothing(run: Run) -> None:
    async def use(opened: Open) -> None:
        one, two = await opened(), await opened()
        assert await one.lead("one", 30 * S, 0)
        await one.evaluated([Evaluated("shop", "r", 1)], [alert(1)], [])
        await one.tell([], [notice("1")], [])
        (waits,) = await one.waiting(9)
        assert await two.lead("two", 60 * S, 30 * S)
        for late in (
            one.evaluated([Evaluated("shop", "r", 2)], [alert(2)], [alert(1)]),
            one.forget("shop", "r"),
            one.tell([Told("shop", "mail", "g", 1)], [notice("2")], []),
            one.sent(waits),
            one.failed(waits, 9, "late"),
        ):
            with pytest.raises(StoreError, match="another process"):
                await late
        assert await two.alerts() == [alert(1)]
        assert await two.evaluations() == [Evaluated("shop", "r", 1)]
        assert await two.waiting(9) == [waits]
        assert await two.told() == []

    run(use)


def test_who_never_led_may_write(run: Run) -> None:
    async def use(opened: Open) -> None:
        one, two = await opened(), await opened()
        assert await one.lead("one", 30 * S, 0)
        await two.silence(silence())
        await two.put_rules(text())
        await two.evaluated([], [alert()], [])
        assert await one.alerts() == [alert()]

    run(use)


# ---- what people ask for


def test_silences_begin_and_change_and_those_of_tenants_stay_apart(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        for one in (silence(), silence("b"), silence(tenant="bank")):
            await store.silence(one)
        await store.silence(silence(ends_ns=5))
        found = await (await opened()).silences()
        assert set(found) == {silence(ends_ns=5), silence("b"), silence(tenant="bank")}

    run(use)


def test_rules_begin_and_change_and_are_given_by_folder_and_group(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        for one in (text("z"), text("a"), text(folder="a"), text(tenant="bank")):
            await store.put_rules(one)
        news = replace(text("z"), text="other", updated_ns=9)
        await store.put_rules(news)
        found = await (await opened()).rules()
        assert found == [text(tenant="bank"), text(folder="a"), text("a"), news]

    run(use)


def test_a_group_of_rules_or_a_whole_folder_is_deleted(run: Run) -> None:
    async def use(opened: Open) -> None:
        store = await opened()
        for one in (text("a"), text("b"), text("c"), text(folder="f2"), text(tenant="bank")):
            await store.put_rules(one)
        assert await store.delete_rules("shop", "f", "nothing") == 0
        assert await store.delete_rules("shop", "f", "a") == 1
        assert await store.delete_rules("shop", "f") == 2
        assert await store.rules() == [text(tenant="bank"), text(folder="f2")]

    run(use)


def test_the_old_is_swept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERT_GROUPS_PER_TENANT", 2)

    async def use(opened: Open) -> None:
        store = await opened()
        await store.silence(silence("old", ends_ns=9))
        await store.silence(silence("new", ends_ns=10))
        groups = [("shop", 9), ("shop", 10), ("shop", 11), ("shop", 12), ("bank", 10)]
        await store.tell([Told(t, "mail", f"g{at}", at) for t, at in groups], [], [])
        await store.sweep(10)
        assert [one.id for one in await store.silences()] == ["new"]
        left = {(one.tenant, one.at_ns) for one in await store.told()}
        assert left == {("shop", 11), ("shop", 12), ("bank", 10)}

    run(use)


def test_a_group_is_not_swept_while_an_end_is_to_be_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ALERT_GROUPS_PER_TENANT", 2)

    async def use(opened: Open) -> None:
        store = await opened()
        fires = [Told("shop", "mail", f"f{at}", at, ("a",)) for at in (1, 2)]
        over = [Told("shop", "mail", f"o{at}", at, (), ("a",)) for at in (3, 20)]
        await store.tell([*fires, *over], [], [])
        await store.sweep(10)
        assert {one.group for one in await store.told()} == {"f1", "f2"}

    run(use)
