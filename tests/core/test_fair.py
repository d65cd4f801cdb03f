"""Turns by tenant, against a plain model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.fair import FairQueue


def drain(queue: FairQueue[int]) -> list[int]:
    found = []
    while queue:
        found.append(queue.take(queue.tenants()[0]))
    return found


def test_a_tenant_with_one_waits_for_one_of_each_other() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(5):
        queue.add("noisy", number)
    queue.add("quiet", 100)
    queue.add("other", 200)
    assert drain(queue) == [0, 100, 200, 1, 2, 3, 4]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=40))
def test_nothing_is_lost_and_each_tenants_order_is_kept(items: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for tenant, item in items:
        queue.add(tenant, (tenant, item))
    assert len(queue) == len(items)
    taken: list[tuple[str, int]] = []
    while queue:
        taken.append(queue.take(queue.tenants()[0]))
    for tenant in "abc":
        assert [i for i in taken if i[0] == tenant] == [i for i in items if i[0] == tenant]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_between_two_turns_of_one_nobody_has_more_than_one(tenants: list[str]) -> None:
    queue: FairQueue[str] = FairQueue()
    for tenant in tenants:
        queue.add(tenant, tenant)
    waiting = {tenant: tenants.count(tenant) for tenant in "abc"}
    since = dict.fromkeys("abc", 0)
    while queue:
        tenant = queue.take(queue.tenants()[0])
        waiting[tenant] -= 1
        since[tenant] = 0
        for other in "abc":
            if other != tenant and waiting[other]:
                since[other] += 1
                assert since[other] <= 2


def test_what_leaves_no_longer_waits() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.add("a", 1)
    assert queue.remove("a", 1)
    assert not queue.remove("a", 1)
    assert not queue
    assert list(queue) == []
