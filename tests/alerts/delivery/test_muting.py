"""Silences and inhibition: what is not told."""

from __future__ import annotations

import msgspec
import pytest
from alerting import START_NS, alert, settings

from tailrace.alerts.delivery.inhibition import Inhibition, rules
from tailrace.alerts.delivery.matching import parse
from tailrace.alerts.delivery.silencing import Silences
from tailrace.core.alerting import Phase, Silence

HOUR_NS = 3_600_000_000_000


def silence(text: str, tenant: str = "default", ends_ns: int = START_NS + HOUR_NS) -> Silence:
    return Silence("s1", tenant, parse(text), START_NS, ends_ns, "ann", "works", START_NS)


@pytest.mark.parametrize(
    ("tenant", "labels", "wall_ns", "expected"),
    [
        ("default", {"a": "b"}, START_NS, True),
        ("default", {"a": "b"}, START_NS - 1, False),
        ("default", {"a": "b"}, START_NS + HOUR_NS, False),
        ("default", {"a": "c"}, START_NS, False),
        ("shop", {"a": "b"}, START_NS, False),
    ],
)
def test_a_silence_holds_for_its_time_tenant_and_labels(
    tenant: str, labels: dict[str, str], wall_ns: int, expected: bool
) -> None:
    assert Silences([silence("a=b")]).silences(tenant, labels, wall_ns) is expected


def test_a_silence_that_was_ended_early_does_not_hold() -> None:
    known = Silences([silence("a=b")])
    known.put(silence("a=b", ends_ns=START_NS))
    assert not known.silences("default", {"a": "b"}, START_NS)


def test_an_older_version_of_a_silence_changes_nothing() -> None:
    newer = msgspec.structs.replace(silence("a=b"), ends_ns=START_NS, updated_ns=START_NS + 1)
    known = Silences([newer, silence("a=b")])
    assert not known.silences("default", {"a": "b"}, START_NS)


def test_silences_that_are_long_over_are_forgotten() -> None:
    known = Silences([silence("a=b")])
    known.forget(START_NS + HOUR_NS + 1)
    assert not known.silences("default", {"a": "b"}, START_NS)


def inhibition(equal: str = '["cluster"]') -> Inhibition:
    said = "[[alerts.inhibit]]\nsource = ['s=\"page\"']\ntarget = ['s=~\"warn|page\"']\n"
    return Inhibition(rules(settings(said + f"equal = {equal}").inhibit))


def test_an_alert_inhibits_those_with_equal_labels_while_it_fires() -> None:
    known = inhibition()
    known.update(alert("Down", cluster="a", s="page"))
    assert known.inhibits("default", {"s": "warn", "cluster": "a"})
    assert not known.inhibits("default", {"s": "warn", "cluster": "b"})
    assert not known.inhibits("default", {"s": "info", "cluster": "a"})
    assert not known.inhibits("shop", {"s": "warn", "cluster": "a"})
    known.update(alert("Down", Phase.RESOLVED, cluster="a", s="page"))
    assert not known.inhibits("default", {"s": "warn", "cluster": "a"})


def test_a_label_that_both_miss_is_equal() -> None:
    known = inhibition()
    known.update(alert("Down", s="page"))
    assert known.inhibits("default", {"s": "warn"})


def test_alerts_of_both_sides_do_not_inhibit_each_other() -> None:
    known = inhibition()
    known.update(alert("Down", cluster="a", s="page"))
    known.update(alert("Slow", cluster="a", s="page"))
    assert not known.inhibits("default", {"s": "page", "cluster": "a"})


def test_one_of_several_sources_is_enough() -> None:
    known = inhibition("[]")
    known.update(alert("Down", s="page"))
    known.update(alert("Slow", s="page"))
    known.update(alert("Down", Phase.PENDING, s="page"))
    assert known.inhibits("default", {"s": "warn"})
