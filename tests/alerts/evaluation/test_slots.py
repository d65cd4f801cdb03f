"""When groups are due."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.evaluation.slots import phase_ns, slot_at
from tailrace.alerts.rule import Group
from tailrace.core import limits

S = 1_000_000_000


def group(name: str = "g", interval_s: float = 15) -> Group:
    return Group("shop", "rules.yml", name, (), int(interval_s * S))


@given(st.integers(10**18, 2 * 10**18), st.text(max_size=20), st.integers(1, 3_600))
def test_a_slot_is_the_last_one_before_a_time(now_ns: int, name: str, interval_s: int) -> None:
    one = group(name, interval_s)
    slot = slot_at(one, now_ns)
    assert 0 <= now_ns - slot < one.interval_ns
    assert slot_at(one, slot) == slot
    assert slot_at(one, slot - 1) == slot - one.interval_ns


def test_groups_are_spread_over_their_interval_and_share_slots() -> None:
    phases = Counter(phase_ns(group(f"g{n}")) / S for n in range(1_500))
    assert sorted(phases) == [0, 3, 6, 9, 12]
    assert limits.RULE_PHASE_S == 3
    assert max(phases.values()) < 1.3 * min(phases.values())


def test_a_short_interval_begins_where_the_clock_does() -> None:
    assert {phase_ns(group(f"g{n}", interval_s=2)) for n in range(50)} == {0}


def test_slots_of_an_interval_stay_where_they_are_after_a_restart() -> None:
    assert phase_ns(group("a", 3_600)) == phase_ns(group("a", 3_600))
    assert len({phase_ns(group(f"g{n}", 3_600)) for n in range(50)}) > 40
