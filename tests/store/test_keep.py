"""What is said of tenants, services and signals, and what follows for each row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.frame import Signal
from tailrace.store.keep import DAY_NS, REST, Group, Groups, Held, Keep, Kept, Which

DAY_S = 86_400.0
NOW = 1_000 * DAY_NS + DAY_NS // 2
EVERYBODY = Which()


def days(number: float) -> Kept:
    return Kept(number * DAY_S)


KEEP = Keep(
    {
        EVERYBODY: days(7),
        Which(signal=Signal.METRICS): days(30),
        Which(service="debug"): days(1),
        Which("shop"): days(90),
        Which("shop", "audit"): days(0),
        Which("poor"): Kept(bytes=10),
    }
)


@pytest.mark.parametrize(
    ("signal", "tenant", "service", "said"),
    [
        (Signal.LOGS, None, None, 7),
        (Signal.METRICS, None, None, 30),
        (Signal.SPANS, None, "debug", 1),
        (Signal.LOGS, "shop", None, 90),
        (Signal.METRICS, "shop", None, 90),
        (Signal.LOGS, "shop", "debug", 1),
        (Signal.LOGS, "shop", "audit", 0),
        (Signal.LOGS, None, "audit", 7),
        (Signal.LOGS, "poor", None, 7),
    ],
)
def test_what_says_most_of_a_row_counts_and_a_service_before_its_tenant(
    signal: Signal, tenant: str | None, service: str | None, said: float
) -> None:
    assert KEEP.age_s(signal, Group(tenant, service)) == said * DAY_S


def test_without_a_word_rows_stay_for_ever() -> None:
    assert Keep().age_s(Signal.LOGS, REST) == 0.0
    assert not Keep({EVERYBODY: Kept(0.0, 0)}).bounded


def of_logs(keep: Keep, held: list[Held], horizons: dict[Group, int] | None = None) -> Any:
    """Targets of logs in days, by group."""
    known = {(Signal.LOGS, group): 0 for group in keep.groups.all(Signal.LOGS)}
    known |= {(Signal.LOGS, group): day * DAY_NS for group, day in (horizons or {}).items()}
    found = keep.targets(known, held, NOW)
    return {group: ns / DAY_NS for (_, group), ns in found.items()}


def logs(day: int, size: int, *group: str | None) -> Held:
    return Held(Signal.LOGS, Group(*group), day * DAY_NS, size)


def test_the_oldest_days_go_until_the_rest_fits() -> None:
    held = [logs(day, 10) for day in range(990, 1001)]
    assert of_logs(Keep({EVERYBODY: Kept(bytes=50)}), held) == {REST: 996}
    assert of_logs(Keep({EVERYBODY: Kept(bytes=110)}), held) == {REST: 0}


def test_today_and_yesterday_stay_however_large_they_are() -> None:
    held = [logs(day, 10) for day in range(990, 1003)]
    assert of_logs(Keep({EVERYBODY: Kept(bytes=1)}), held) == {REST: 999}


def test_what_is_below_a_horizon_or_too_old_already_does_not_count() -> None:
    held = [logs(day, 10) for day in range(990, 1001)]
    assert of_logs(Keep({EVERYBODY: Kept(4 * DAY_S, 50)}), held) == {REST: 996}
    assert of_logs(Keep({EVERYBODY: Kept(bytes=50)}), held, {REST: 997}) == {REST: 997}


def test_bytes_are_of_all_rows_that_are_named_however_long_some_of_them_stay() -> None:
    keep = Keep({EVERYBODY: Kept(bytes=60), Which("shop"): Kept(90 * DAY_S, 25)})
    held = [logs(day, 10, *who) for day in range(990, 1001) for who in ((), ("shop",))]
    # The tenant's own bound first: of it two days are left, so there is room for four of others.
    assert of_logs(keep, held) == {REST: 997, Group("shop"): 999}


signals = st.sampled_from(Signal)
names = st.sampled_from(["a", "b"])
keeps = st.builds(
    Keep,
    st.dictionaries(
        st.builds(Which, st.none() | names, st.none() | names, st.none() | signals),
        st.builds(Kept, st.none() | st.sampled_from([0.0, DAY_S, 3.5 * DAY_S]),
                  st.none() | st.integers(0, 40)),
        max_size=4,
    ),
)  # fmt: skip
helds = st.lists(
    st.builds(
        Held, signals, st.builds(Group, st.none() | names, st.none() | names),
        st.integers(990, 1003).map(lambda day: day * DAY_NS), st.integers(1, 9),
    ),
    max_size=20,
)  # fmt: skip


@given(keep=keeps, held=helds, before=st.integers(980, 1000))
def test_nothing_comes_back_and_what_stays_fits_or_is_young(
    keep: Keep, held: list[Held], before: int
) -> None:
    groups = Groups(("a", "b"), ("a", "b"))
    horizons = {(s, group): before * DAY_NS for s in Signal for group in groups.all(s)}
    found = keep.targets(horizons, held, NOW)
    assert found.keys() == horizons.keys()
    newest = 999 * DAY_NS
    for key, target in found.items():
        assert target % DAY_NS == 0
        assert horizons[key] <= target
        age_s = keep.age_s(*key)
        assert not age_s or target >= (NOW - age_s * 1e9) // DAY_NS * DAY_NS
        if not age_s and not keep.sized:
            assert target == horizons[key]
    for which, most in keep.sized:
        left = [
            one for one in held
            if which.covers(one.signal, one.group) and one[:2] in found
            and one.day_ns >= found[one.signal, one.group]
        ]  # fmt: skip
        assert sum(one.bytes for one in left) <= most or all(one.day_ns >= newest for one in left)
