"""Values that are nobody's pass or are marked, where and as long as their entry says."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.settings import Approved, Field, Rule
from tailrace.guard.testcards import TEST_CARDS

from .cleaning import clean, cleaned, cleaner, pseudonym

NOW = datetime.datetime(2027, 1, 10, 12, tzinfo=datetime.UTC)
DAY_S = 86_400.0


def clock() -> ManualClock:
    return ManualClock(int(NOW.timestamp()) * 1_000_000_000)


def entry(**changes: Any) -> Approved:
    said: dict[str, Any] = {
        "name": "sandbox", "kind": "pan", "owner": "payments team", "reason": "sandbox",
        "expires": datetime.date(2027, 2, 1), "values": ["4111 1111 1111 1111"],
    }  # fmt: skip
    return Approved(**(said | changes))


def approving(time: ManualClock, *entries: Approved, **tables: Any) -> Cleaner:
    return cleaner(time, approved=list(entries), **tables)


ROW = b"card 4111111111111111 and 5555555555554444"
OTHER = pseudonym("pan", b"5555555555554444").encode()


def test_an_approved_value_passes_in_every_form_and_is_counted_as_approved() -> None:
    by = approving(clock(), entry())
    assert cleaned(ROW, by) == b"card 4111111111111111 and " + OTHER
    for form in (
        b"4111-1111-1111-1111",
        b'{"card":4111111111111111}',
        b"4111%201111%201111%201111",
    ):
        assert cleaned(form, by) == form
    assert {(p.action, n) for p, n in clean(ROW, by).found.items()} == {
        ("approved", 1),
        ("pseudonymise", 1),
    }


def test_an_approved_value_may_be_marked_as_test_data() -> None:
    by = approving(clock(), entry(treatment="mark"))
    assert cleaned(ROW, by) == b"card [test:pan] and " + OTHER
    assert cleaned(b'{"card":4111111111111111}', by) == b'{"card":"[test:pan]"}'
    assert cleaned(b"card [test:pan]", by) == b"card [test:pan]"


@pytest.mark.parametrize("number", TEST_CARDS)
def test_the_set_of_test_cards_passes(number: str) -> None:
    by = approving(clock(), entry(values=[], set="test-cards"))
    row = f"card {number}".encode()
    assert cleaned(row, by) == row


@pytest.mark.parametrize(
    ("scope", "resource", "passes"),
    [
        ({"service": "pay*"}, {"service.name": "payments"}, True),
        ({"service": "pay*"}, {"service.name": "web"}, False),
        ({"service": "pay*"}, {}, False),
        ({"environment": "staging"}, {"deployment.environment": "staging"}, True),
        ({"environment": "staging"}, {"deployment.environment": "prod"}, False),
        ({"service": "pay", "environment": "dev"}, {"service.name": "pay"}, False),
    ],
)
def test_an_entry_counts_in_its_scope_only(
    scope: dict[str, str], resource: dict[str, str], passes: bool
) -> None:
    by = approving(clock(), entry(**scope))
    assert (b"4111111111111111" in cleaned(ROW, by, resource=resource)) == passes


def test_an_entry_counts_for_rows_that_say_where_they_are_from() -> None:
    by = approving(clock(), entry(service="payments"))
    assert b"4111" in cleaned(b'{"service":"payments","c":"4111111111111111"}', by)
    assert b"4111" not in cleaned(b'{"service":"web","c":"4111111111111111"}', by)


def test_an_entry_stops_at_midnight_utc_of_its_day_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = clock()
    by = approving(time, entry(expires=datetime.date(2027, 1, 11)))
    time.jump_wall(12 * 3600 - 1)
    by.approved.watch()
    assert b"4111" in cleaned(ROW, by)
    assert not caplog.records
    time.jump_wall(1)
    assert b"4111" not in cleaned(ROW, by)
    by.approved.watch()
    by.approved.watch()
    assert len(caplog.records) == 1
    assert caplog.records[0].__dict__["owner"] == "payments team"
    assert "4111" not in caplog.text


def test_an_entry_that_has_expired_before_the_start_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    by = approving(clock(), entry(expires=datetime.date(2027, 1, 10)))
    assert len(caplog.records) == 1
    assert b"4111" not in cleaned(ROW, by)


def test_an_entry_does_not_approve_another_kind_or_a_longer_value() -> None:
    by = approving(clock(), entry(kind="email", values=["jane@example.com"]))
    assert cleaned(b"jane@example.com", by) == b"jane@example.com"
    assert b"bob.jane" not in cleaned(b"bob.jane@example.com", by)
    assert b"hunter" not in cleaned(b"password=hunter-jane@example.com", by)


def test_an_approved_value_within_a_secret_does_not_let_the_secret_pass() -> None:
    by = approving(clock(), entry(kind="email", values=["jane@example.com"]))
    assert cleaned(b"password=jane@example.com,x9", by) == b"password=[redacted:secret]"


def test_an_approved_card_is_not_another_kind_by_accident() -> None:
    by = approving(clock(), entry(values=["4000056655665556"]))
    row = b"phone 4000056655665556"
    assert cleaned(row, by) == row


def test_a_name_is_approved_whatever_its_case() -> None:
    by = approving(
        clock(), entry(kind="name", values=["Test User"]), fields=[Field("customer.name")]
    )
    row = b'{"customer":{"name":"TEST  user"}}'
    assert cleaned(row, by) == row


def test_a_row_with_an_approved_value_is_not_dropped_for_it() -> None:
    by = approving(clock(), entry(), rules=[Rule("pan", "drop_row")])
    assert clean(b"card 4111111111111111\n", by).dropped == 0
    assert clean(ROW + b"\n", by).dropped == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kind": "nothing"}, "kind"),
        ({"owner": " "}, "owner"),
        ({"reason": ""}, "reason"),
        ({"name": ""}, "name"),
        ({"values": []}, "values"),
        ({"kind": "ssn", "set": "test-cards"}, "set"),
        ({"expires": datetime.date(2029, 2, 1)}, "expires"),
        ({"values": [""]}, "values"),
        ({"values": ["abc"]}, "values"),
    ],
)
def test_an_entry_that_says_too_little_is_refused_by_its_key(
    changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^guard\.approved\[1\]\.{key}"):
        approving(clock(), entry(), entry(**changes))
