from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tailrace.core import backoff
from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError
from tailrace.ship.gateways import Gateway, Gateways, Target, region_of, targets

A = Gateway("http://a:1", "eu-west-1a")
B = Gateway("http://b:1", "eu-west-1b")
FAR = Gateway("http://far:1", "us-east-1a")
EQUALS = [f"http://{n}:1" for n in "pqrs"]


def of(
    *found: str | Gateway, source: str = "agent-1", zone: str = ""
) -> tuple[Gateways, list[str]]:
    chosen = Gateways(targets(found), ManualClock(), source, zone)
    return chosen, [target.name for target in chosen.order]


def picked(chosen: Gateways) -> Target:
    target, _ = chosen.pick()
    assert target
    return target


def wait(chosen: Gateways, seconds: float) -> None:
    clock = chosen._clock
    assert isinstance(clock, ManualClock)
    clock.advance(seconds + 1e-6)  # sums of seconds are rounded


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("eu-west-1a", "eu-west-1"),
        ("europe-west1-b", "europe-west1"),
        ("north", "north"),
        ("", ""),
    ],
)
def test_a_zone_names_its_region(zone: str, region: str) -> None:
    assert region_of(zone) == region
    assert region_of(zone, "mine") == "mine"


def test_the_nearest_is_first_then_the_region_then_the_rest() -> None:
    assert of(FAR, A, B, zone="eu-west-1b")[1] == ["b:1", "a:1", "far:1"]
    assert of(FAR, A, B, zone="us-east-1a")[1][0] == "far:1"


def test_equals_are_spread_evenly_and_each_agent_keeps_its_order() -> None:
    first = Counter(of(*EQUALS, source=f"agent-{n}")[1][0] for n in range(2_000))
    assert len(first) == 4
    assert all(400 < count < 600 for count in first.values())
    assert of(*EQUALS)[1] == of(*reversed(EQUALS))[1]


def test_agents_of_one_that_is_gone_are_spread_over_all_others() -> None:
    orders = [of(*EQUALS, source=f"agent-{n}")[1] for n in range(2_000)]
    second = Counter(order[1] for order in orders if order[0] == "p:1")
    assert len(second) == 3
    assert all(count > 100 for count in second.values())


def test_the_first_round_has_no_backoff_and_the_next_has() -> None:
    chosen, order = of(*EQUALS)
    tried = []
    for _ in EQUALS:
        target, wait_s = chosen.pick()
        assert target
        assert wait_s == 0
        tried.append(target.name)
        for _ in range(9):
            chosen.failed(target)
    assert tried == order
    waits = []
    for _ in range(50):
        target, wait_s = chosen.pick()
        waits.append(wait_s)
        wait(chosen, wait_s)
        chosen.failed(picked(chosen))
    assert max(waits) > 1
    assert max(waits) <= backoff.LARGEST_BACKOFF_S


def test_a_nearer_one_is_used_again_when_it_answered_a_probe() -> None:
    chosen, _ = of(A, B, zone="eu-west-1a")
    home = picked(chosen)
    chosen.failed(home)
    for _ in range(40):  # however long it takes: no body is risked on it
        assert picked(chosen).name == "b:1"
        wait(chosen, 10)
        if probed := chosen.probe():
            assert probed is home
    assert home.asked_s > 300
    chosen.served(home)
    assert picked(chosen) is home
    wait(chosen, 100)
    assert chosen.probe() is None


def test_a_probe_is_asked_for_each_10_to_30_seconds() -> None:
    chosen, _ = of(A, B, zone="eu-west-1a")
    chosen.failed(picked(chosen))
    probes = []
    for second in range(600):
        wait(chosen, 1)
        if chosen.probe():
            probes.append(second)
    gaps = [b - a for a, b in pairwise(probes)]
    assert min(gaps) >= 10
    assert max(gaps) <= 31


def test_of_several_nearer_ones_each_is_asked() -> None:
    chosen, _ = of(*EQUALS)
    for _ in range(3):
        chosen.failed(picked(chosen))
    asked = set()
    for _ in range(20):
        wait(chosen, 31)
        if probed := chosen.probe():
            asked.add(probed.name)
    assert len(asked) == 3


def test_a_full_one_is_replaced_by_an_equal_but_not_by_one_further_away() -> None:
    chosen, _ = of(A, Gateway("http://a2:1", "eu-west-1a"), B, FAR, zone="eu-west-1a")
    for _ in range(2):
        target = picked(chosen)
        assert target.distance == 0
        chosen.full(target, 20)
    target, wait_s = chosen.pick()
    assert target is None
    assert 20 <= wait_s <= 21
    wait(chosen, wait_s)
    assert picked(chosen).distance == 0


def test_one_without_room_for_what_may_be_late_still_takes_the_rest() -> None:
    chosen, _ = of(A, Gateway("http://a2:1", "eu-west-1a"), FAR, zone="eu-west-1a")
    home = picked(chosen)
    chosen.full(home, 20, late=True)
    assert picked(chosen) is home
    other, _ = chosen.pick(late=True)
    assert other
    assert other is not home
    assert other.distance == 0
    chosen.full(other, 30, late=True)
    chosen.served(home)  # with something hot, which says nothing of the rest
    target, wait_s = chosen.pick(late=True)
    assert target is None
    assert 20 <= wait_s <= 21
    wait(chosen, wait_s)
    assert chosen.pick(late=True)[0] is home
    chosen.full(home, 5)
    assert chosen.pick(late=True)[0] is not home


def test_one_that_is_full_is_not_waited_for_when_it_fails() -> None:
    chosen, _ = of(A, B, zone="eu-west-1a")
    home = picked(chosen)
    chosen.full(home, 5)
    wait(chosen, 7)
    assert picked(chosen) is home
    chosen.failed(home)
    assert picked(chosen).name == "b:1"


def test_an_agent_that_is_throttled_asks_nobody_else() -> None:
    chosen, _ = of(*EQUALS)
    chosen.throttled(9999)
    target, wait_s = chosen.pick()
    assert target is None
    assert wait_s >= backoff.LARGEST_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("a:1", "not an http"),
        ("http://", "not an http"),
        ("http://a:99999", "not a URL"),
        ("http://a:0", "not an http"),
        ("http://[::1", "not a URL"),
        ("ftp://a", "not an http"),
        ("http://ü.example", "not an http"),
        ("http://a/b c", "base URL"),
        ("http://a/?x=1", "base URL"),
    ],
)
def test_what_is_no_gateway_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        targets([url])


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="no user and password") as caught:
        targets(["https://me:sesame@a:1"])
    assert "sesame" not in str(caught.value)
    with pytest.raises(ConfigError, match="at least one"):
        targets([])
