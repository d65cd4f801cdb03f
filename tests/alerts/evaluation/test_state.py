"""The life of an alert, evaluation by evaluation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.evaluation.state import Held, Owner, moved, step
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Alert, Labels, Phase

S = 1_000_000_000
DISK: Labels = (("alertname", "DiskFull"), ("host", "a"))
LINE_S = 15


def owner(for_s: float = 0, keep_s: float = 0) -> Owner:
    rule = Rule(
        "disk > 90",
        "promql",
        alert="DiskFull",
        for_ns=int(for_s * S),
        keep_firing_ns=int(keep_s * S),
    )
    return Owner("shop", "r1", rule)


def held(value: float = 95.0, labels: Labels = DISK) -> Held:
    return Held(labels, (("summary", f"{value:g}%"),), value)


def life(whose: Owner, pattern: str) -> list[Alert | None]:
    """How the alert stands after each evaluation, 15 s apart; "x" where its condition holds."""
    alerts: dict[Labels, Alert] = {}
    found = []
    for number, mark in enumerate(pattern):
        at = (1_000 + number * LINE_S) * S
        alerts = step(whose, alerts, at, [held()] if mark == "x" else [])
        found.append(alerts.get(DISK))
    return found


def phases(whose: Owner, pattern: str) -> str:
    """One letter for each evaluation: p, f, r, or - for no alert."""
    return "".join(one.phase.value[0] if one else "-" for one in life(whose, pattern))


def test_without_for_it_fires_at_once_and_is_resolved_at_once() -> None:
    assert phases(owner(), "-xx-") == "-ffr"


def test_it_is_pending_until_for_is_over_to_the_evaluation() -> None:
    assert phases(owner(for_s=30), "xxxx") == "ppff"
    assert phases(owner(for_s=31), "xxxx") == "pppf"


def test_a_gap_begins_for_again() -> None:
    assert phases(owner(for_s=30), "xx-xxx") == "pp-ppf"


def test_what_is_resolved_stays_so_until_its_condition_holds_again() -> None:
    assert phases(owner(), "x---x") == "frrrf"
    again = life(owner(), "x-x")[-1]
    assert again is not None
    assert (again.active_ns, again.ended_ns) == (1_030 * S, 0)


def test_what_is_pending_again_and_ends_is_resolved_as_it_was() -> None:
    lives = life(owner(for_s=15), "xx-x-")
    resolved, pending, again = lives[2:]
    assert resolved and pending and again
    assert pending.phase is Phase.PENDING
    ends = [(one.fired_ns, one.ended_ns) for one in (resolved, pending, again)]
    assert ends == [(1_015 * S, 1_030 * S)] * 3
    assert again.phase is Phase.RESOLVED


def test_it_goes_on_firing_as_long_as_it_is_to_be_kept() -> None:
    assert phases(owner(keep_s=30), "x----") == "fffrr"
    assert phases(owner(keep_s=30), "x-x---") == "fffffr"


def test_what_is_pending_is_not_kept() -> None:
    assert phases(owner(for_s=60, keep_s=300), "xx-") == "pp-"


def test_its_times_are_those_of_the_evaluations() -> None:
    resolved = life(owner(for_s=15), "xxx-")[-1]
    assert resolved is not None
    times = (resolved.active_ns, resolved.fired_ns, resolved.ended_ns)
    assert times == (1_000 * S, 1_015 * S, 1_045 * S)


def test_value_and_annotations_are_those_of_the_last_evaluation_at_which_it_held() -> None:
    alerts = step(owner(), {}, 0, [held(91)])
    alerts = step(owner(), alerts, 15 * S, [held(97)])
    alerts = step(owner(), alerts, 30 * S, [])
    assert (alerts[DISK].value, alerts[DISK].annotations) == (97, (("summary", "97%"),))


def test_label_sets_have_lives_of_their_own() -> None:
    other: Labels = (("alertname", "DiskFull"), ("host", "b"))
    alerts = step(owner(for_s=15), {}, 0, [held()])
    alerts = step(owner(for_s=15), alerts, 15 * S, [held(), held(labels=other)])
    assert [alerts[DISK].phase, alerts[other].phase] == [Phase.FIRING, Phase.PENDING]


def test_a_clock_that_was_set_changes_no_duration() -> None:
    before = life(owner(for_s=15), "xx")[-1]
    assert before is not None
    after = moved(before, 3_600 * S)
    assert (after.active_ns, after.fired_ns) == (4_600 * S, 4_615 * S)
    assert (after.left_ns, after.ended_ns) == (0, 0)


def reference(pattern: str, hold: int, keep: int) -> str:
    """The same by counting evaluations: `hold` and `keep` are in numbers of them. Nobody is told,
    so what has fired once stays resolved."""
    found, phase, over, since, left = "", "-", "-", 0, 0
    for number, mark in enumerate(pattern):
        if mark == "x":
            if phase in "-r":
                phase, since = "p", number
            left = -1
            if phase == "p" and number - since >= hold:
                phase, over = "f", "r"
        elif phase == "p":
            phase = over
        elif phase == "f":
            left = number if left < 0 else left
            if number - left >= keep:
                phase = "r"
        found += phase
    return found


@given(st.text("x-", max_size=60), st.integers(0, 5), st.integers(0, 5))
def test_any_life_is_that_of_the_reference(pattern: str, hold: int, keep: int) -> None:
    whose = owner(for_s=hold * LINE_S, keep_s=keep * LINE_S)
    assert phases(whose, pattern) == reference(pattern, hold, keep)
