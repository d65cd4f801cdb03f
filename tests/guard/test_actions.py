"""What a configuration may ask for, and what is done then."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailrace.core.errors import ConfigError
from tailrace.core.finding import Action
from tailrace.core.frame import Codec
from tailrace.guard.kinds import KINDS
from tailrace.guard.settings import Custom, Field, Rule

from .cleaning import acting, clean, cleaned, cleaner, pseudonym
from .samples import AWS, CARD

JANE = pseudonym("email", b"jane@example.com").encode()
GONE = pseudonym("pan", CARD).encode()


@pytest.mark.parametrize(
    ("kind", "action", "row", "after"),
    [
        ("email", "pseudonymise", b"to jane@example.com.", b"to " + JANE + b"."),
        ("email", "redact", b"to jane@example.com.", b"to [redacted:email]."),
        ("email", "drop_field", b"to jane@example.com.", b"to [redacted:email]."),
        ("email", "alert_only", b"to jane@example.com.", b"to jane@example.com."),
        ("pan", "redact", b'{"card":4111111111111111}', b'{"card":"[redacted:pan]"}'),
        ("pan", "alert_only", b'{"card":4111111111111111}', b'{"card":4111111111111111}'),
        ("cvv", "redact", b'{"cvv":123}', b'{"cvv":"[redacted:cvv]"}'),
        ("api_key", "redact", b"using " + AWS, b"using [redacted:api_key]"),
        (
            "api_key",
            "pseudonymise",
            b"using " + AWS,
            b"using " + pseudonym("api_key", AWS).encode(),
        ),
    ],
)
def test_each_action_does_what_it_says(kind: str, action: Action, row: bytes, after: bytes) -> None:
    by = acting(kind, action)
    assert cleaned(row, by) == after
    assert {place.action for place in clean(row, by).found} == {action}


@pytest.mark.parametrize(
    ("kind", "row", "after"),
    [
        ("pan", b"card 4111 1111 1111 1111.", b"card 411111******1111."),
        ("pan", b'{"card":378282246310005}', b'{"card":"378282*****0005"}'),
        ("pan", b"visa 4123456789011.", b"visa *************."),
        ("ssn", b"ssn 123-45-6789.", b"ssn *****6789."),
        ("iban", b"DE89 3704 0044 0532 0130 00", b"DE89**************3000"),
        ("email", b"to jane@example.com.", b"to ***@example.com."),
        ("phone", b"+14155550132", b"**********32"),
    ],
)
def test_a_mask_shows_as_much_as_may_be_shown(kind: str, row: bytes, after: bytes) -> None:
    by = cleaner(rules=[Rule(kind, "mask"), Rule(kind, "redact")])
    assert cleaned(row, by) == after


@pytest.mark.parametrize("size", range(13, 20))
def test_a_mask_of_a_card_hides_all_but_six_and_four(size: int) -> None:
    mask = KINDS["pan"].mask
    assert mask is not None
    shown = mask(b"4" * size)
    assert len(shown) == size
    assert shown.count(b"4") <= 10
    assert shown[6:-4] == b"*" * (size - 10) or shown == b"*" * size


@pytest.mark.parametrize(
    ("row", "after"),
    [
        (b'{"e":"jane@example.com","b":1,"c":2}', b'{"b":1,"c":2}'),
        (b'{"b":1,"e":"jane@example.com","c":2}', b'{"b":1,"c":2}'),
        (b'{"b":1,"c":2,"e":"jane@example.com"}', b'{"b":1,"c":2}'),
        (b'{"e":"jane@example.com"}', b"{}"),
        (b'{ "b": 1, "e": "jane@example.com" }', b'{ "b": 1 }'),
        (b'{"e":"jane@example.com","f":"jane@example.com","b":1}', b'{"b":1}'),
        (b'{"b":1,"e":"jane@example.com","f":"jane@example.com"}', b'{"b":1}'),
        (b'{"e":"jane@example.com","f":"jane@example.com"}', b"{}"),
        (b'{"e":"jane@example.com","b":1,"f":"jane@example.com"}', b'{"b":1}'),
        (b'{"m":"jane@example.com bob@example.com","k":"left as it was"}',
        b'{"k":"left as it was"}'),
        (b'{"l":["jane@example.com","bob@example.com"],"k":"left"}', b'{"k":"left"}'),
        (b'{"l":[1,"jane@example.com",{"x":1}],"k":"left"}', b'{"k":"left"}'),
        (b'{"a":{"e":"jane@example.com"},"k":[1]}', b'{"a":{},"k":[1]}'),
        (b'{"a":[{"e":"jane@example.com"},{"k":1}]}', b'{"a":[{},{"k":1}]}'),
        (b'{"jane@example.com":{"x":[1,2]},"k":1}', b'{"k":1}'),
        (b'{"b":"{\\"e\\":\\"jane@example.com\\",\\"k\\":1}"}', b'{"b":"{\\"k\\":1}"}'),
        (b'{"b":"{\\"k\\":1,\\"e\\":\\"jane@example.com\\"}"}', b'{"b":"{\\"k\\":1}"}'),
        (b'{"b":"{\\"e\\":\\"jane@example.com\\"}","k":1}', b'{"b":"{}","k":1}'),
        (b'{"b":"text jane@example.com {","k":1}', b'{"k":1}'),
        (b'{\x1e  "e": "jane@example.com",\x1e  "k": 1\x1e}', b'{\x1e  "k": 1\x1e}'),
        (b'{\x1e  "k": 1,\x1e  "e": "jane@example.com"\x1e}', b'{\x1e  "k": 1\x1e}'),
        (b"a=1 e=jane@example.com b=2", b"a=1 b=2"),
        (b"e=jane@example.com b=2", b" b=2"),
        (b"a=1 e=jane@example.com", b"a=1"),
        (b'a=1 e="jane@example.com" b=2', b"a=1 b=2"),
        (b"a=1 e=jane@example.com f=bob@example.com b=2", b"a=1 b=2"),
        (b"to jane@example.com, ok", b"to [redacted:email], ok"),
        (b'say {"e":"jane@example.com","k":1} twice', b'say {"k":1} twice'),
        (b'{"x":"jane@example.com","y":', b'{"y":'),
    ],
)  # fmt: skip
def test_a_field_that_is_dropped_takes_its_name_and_one_comma(row: bytes, after: bytes) -> None:
    assert cleaned(row, acting("email", "drop_field")) == after


def test_a_field_that_is_dropped_leaves_what_another_rule_does() -> None:
    by = acting("email", "drop_field")
    row = b'{"card":4111111111111111,"e":"jane@example.com","c":"4111 1111 1111 1111","k":1}'
    left = {"card": GONE.decode(), "c": GONE.decode(), "k": 1}
    assert json.loads(cleaned(row, by, Codec.RECORDS)) == left


def test_a_row_that_is_dropped_takes_its_newline() -> None:
    by = acting("pan", "drop_row")
    result = clean(b"one\ncard 4111111111111111\ntwo\n", by)
    assert (result.data, result.rows, result.dropped) == (b"one\ntwo\n", 2, 1)
    assert sum(result.found.values()) == 1


def test_a_dropped_row_is_counted_with_everything_that_was_in_it() -> None:
    result = clean(b"jane@example.com 4111111111111111\n", acting("pan", "drop_row"))
    assert (result.data, result.rows, result.dropped) == (b"", 0, 1)
    assert {place.detector for place in result.found} == {"email", "pan"}


SERVICES = [Rule("email", "redact", service="pay*"), Rule("email", "alert_only", environment="dev")]
BY_SERVICE = cleaner(rules=SERVICES)


@pytest.mark.parametrize(
    ("resource", "row", "after"),
    [
        ({"service.name": "payments"}, b"jane@example.com", b"[redacted:email]"),
        ({"service.name": "web"}, b"jane@example.com", JANE),
        ({"deployment.environment.name": "dev"}, b"jane@example.com", b"jane@example.com"),
        ({"deployment.environment": "dev"}, b"jane@example.com", b"jane@example.com"),
        ({"deployment.environment": "prod"}, b"jane@example.com", JANE),
        ({}, b'{"service":"payments","e":"jane@example.com"}',
         b'{"service":"payments","e":"[redacted:email]"}'),
        ({}, b'{"e":"jane@example.com","service.name":"payments"}',
         b'{"e":"[redacted:email]","service.name":"payments"}'),
        ({}, b'{"e":"jane@example.com","resource":{"deployment.environment":"dev"}}',
         b'{"e":"jane@example.com","resource":{"deployment.environment":"dev"}}'),
        ({"service.name": "web"}, b'{"service":"payments","e":"jane@example.com"}',
         b'{"service":"payments","e":"' + JANE + b'"}'),
    ],
)  # fmt: skip
def test_a_rule_is_for_a_service_and_environment(
    resource: dict[str, str], row: bytes, after: bytes
) -> None:
    assert cleaned(row, BY_SERVICE, resource=resource) == after


def test_rows_of_several_services_in_one_payload_are_treated_each_by_its_own_rule() -> None:
    rows = [b'{"service":"%b","e":"jane@example.com"}' % name for name in (b"payments", b"web")]
    result = clean(b"\n".join(rows) + b"\n", BY_SERVICE).data.splitlines()
    assert result == [
        b'{"service":"payments","e":"[redacted:email]"}',
        b'{"service":"web","e":"' + JANE + b'"}',
    ]


def test_the_first_rule_that_fits_counts() -> None:
    rules = [Rule("email", "redact", service="a"), Rule("*", "drop_row"), Rule("email", "redact")]
    assert clean(b"jane@example.com", cleaner(rules=rules)).dropped == 1
    kept = cleaned(b"jane@example.com", cleaner(rules=rules), resource={"service.name": "a"})
    assert kept == b"[redacted:email]"


CUSTOM = Custom("badge", r"B-[0-9]{6}", ["badge B-123456"], ["B-12"])


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"rules": [Rule("pan",
            "explode")]}, r"guard\.rules\[0\]\.action"),  # type: ignore[arg-type]
        ({"rules": [Rule("pan", "approved")]}, r"guard\.rules\[0\]\.action"),
        ({"rules": [Rule("pan", "redact"), Rule("nothing",
            "redact")]}, r"guard\.rules\[1\]\.detector"),
        ({"rules": [Rule("*", "alert_only")]}, r"guard\.rules\[0\]\.action"),
        ({"rules": [Rule("*", "mask")]}, r"guard\.rules\[0\]\.action"),
        ({"rules": [Rule("*", "pseudonymise")]}, r"guard\.rules\[0\]\.action"),
        *[
            ({"rules": [Rule(kind, action)]}, r"guard\.rules\[0\]\.action")  # type: ignore[arg-type]
            for kind in ("cvv", "track", "pin")
            for action in ("pseudonymise", "mask", "alert_only")
        ],
        *[
            ({"rules": [Rule(kind, "mask")]}, r"guard\.rules\[0\]\.action")
            for kind in ("secret", "jwt", "api_key", "private_key", "dob", "name")
        ],
        ({"rules": [Rule("pan", "mask", service="a"), Rule("pan",
            "pseudonymise")]}, r"guard\.rules\[1\]"),
        ({"rules": [Rule("pan", "pseudonymise", service="a"), Rule("pan",
            "mask")]}, r"guard\.rules\[1\]"),
        ({"rules": [Rule("pan", "mask", environment="a")]}, r"guard\.rules"),
        ({"enable": ["nothing"]}, r"guard\.enable"),
        ({"disable": ["nothing"]}, r"guard\.disable"),
        ({"fields": [Field("a b")]}, r"guard\.fields\[0\]\.key"),
        ({"fields": [Field("")]}, r"guard\.fields\[0\]\.key"),
        ({"fields": [Field("*")]}, r"guard\.fields\[0\]\.key"),
        ({"fields": [Field("a.*.b")]}, r"guard\.fields\[0\]\.key"),
        ({"fields": [Field("__")]}, r"guard\.fields\[0\]\.key"),
        ({"fields": [Field("a"), Field("b", "nothing")]}, r"guard\.fields\[1\]\.kind"),
    ],
)  # fmt: skip
def test_what_may_not_be_asked_for_is_refused_by_its_key(tables: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        cleaner(**tables)


@pytest.mark.parametrize(
    "rules",
    [
        [Rule("pan", "mask"), Rule("pan", "redact")],
        [Rule("pan", "mask", service="a"), Rule("pan", "redact")],
        [Rule("pan", "mask", service="a"), Rule("*", "redact")],
        [Rule("pan", "mask"), Rule("ssn", "pseudonymise")],
    ],
)
def test_a_mask_without_pseudonyms_of_its_kind_is_allowed(rules: list[Rule]) -> None:
    cleaner(rules=rules)


def test_a_mask_for_all_needs_no_rule_behind_it() -> None:
    assert cleaned(CARD, cleaner(rules=[Rule("pan", "mask")])) == b"411111******1111"


def test_disabled_kinds_are_left_and_enabled_ones_found() -> None:
    row = b"203.0.113.9 jane@example.com"
    assert cleaned(row) == b"203.0.113.9 " + JANE
    by = cleaner(enable=["ip"], disable=["email"])
    assert cleaned(row, by) == pseudonym("ip", b"203.0.113.9").encode() + b" jane@example.com"
    assert cleaned(b"2001:DB8::1", by) == pseudonym("ip", b"2001:db8::1").encode()
