"""What becomes of rows: valid in their format, without the values, and otherwise as they were."""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec, Header, Signal
from tailrace.guard.cleaner import Cleaned, Cleaner
from tailrace.guard.kinds import KINDS
from tailrace.guard.settings import Approved, Custom, Field, Rule, Settings

CARD = "4111 1111 1111 1111"
SECRETS = {kind: bytes([number]) * 32 for number, kind in enumerate((*KINDS, "member_id"), 1)}
USUAL = Cleaner()


def header(rows: int = 1, codec: Codec = Codec.LINES, **named: Any) -> Header:
    return Header("shop", "s", 1, 1, rows, 0, 0, 0, codec=codec, **named)


def cleaned(cleaner: Cleaner, row: str, codec: Codec = Codec.LINES, **named: Any) -> Cleaned:
    return cleaner.clean(header(codec=codec, **named), row.encode(), SECRETS)


def text(cleaner: Cleaner, row: str, codec: Codec = Codec.LINES, **named: Any) -> str:
    return cleaned(cleaner, row, codec, **named).data.decode()


def ruled(action: str, detector: str = "pan", **named: str) -> Cleaner:
    return Cleaner(Settings(rules=[msgspec.convert(
        {"detector": detector, "action": action, **named}, Rule
    )]))  # fmt: skip


def test_a_clean_payload_is_the_same_object() -> None:
    data = b"nothing here\nor 1700000000123456789 here\n"
    assert USUAL.clean(header(2), data, SECRETS).data is data


def test_a_value_has_one_pseudonym_however_it_is_written() -> None:
    rows = [
        f"card {CARD}",
        "card 4111-1111-1111-1111",
        '{"card":4111111111111111}',
        "card=4111%201111%201111%201111",
        "card 4111\u00a01111\u00a01111\u00a01111",
        "card \u0664" + 15 * "\u0661",
    ]
    found = [text(USUAL, row) for row in rows]
    codes = {one[one.index("#pan:") :][:21] for one in found}
    assert len(codes) == 1


def test_a_number_of_json_becomes_a_text_at_its_level() -> None:
    row = {"card": 4111111111111111, "body": json.dumps({"pan": 5105105105105100, "n": [1, 2]})}
    after = json.loads(text(USUAL, json.dumps(row), Codec.RECORDS))
    assert after["card"].startswith("#pan:")
    inner = json.loads(after["body"])
    assert inner["pan"].startswith("#pan:")
    assert inner["n"] == [1, 2]


@pytest.mark.parametrize(
    "row",
    [
        '{"a":":4111111111111111,"}',
        '{"a":[{"b":1},4111111111111111]}',
        '{"a":[[1,2],4111111111111111]}',
        '{"dob":19800203.0}',
        '{"taxpayer_id":-912701234}',
        '{"phone":-4155550132}',
        '{"cvv":123.0}',
        '{"ssn":123456789.0}',
        '{"m":"{\\"a\\":[1,4111111111111111]}"}',
    ],
)
def test_json_stays_json_wherever_a_number_stands(row: str) -> None:
    after = text(USUAL, row, Codec.RECORDS)
    found = json.loads(after)
    assert after != row
    if "m" in found:
        assert len(json.loads(found["m"])["a"]) == 2


@pytest.mark.parametrize(
    ("row", "secret"),
    [
        ("GET /login?password=my%20own%40x HTTP/1.1", "own"),
        ("{'password': 'ab\"cd'}", "cd"),
        ('{"password":["hunter2"]}', "hunter2"),
        ('{"password":{"value":"hunter2"}}', "hunter2"),
        ('{"password":"{not json}"}', "not json"),
        ('{"password":"$ecret12"}', "ecret12"),
        ("password=[abc", "abc"),
        ("{'password': b'hunter2', 'x': 1}", "hunter2"),
        ("amqp://app:p%40ss@mq/%2F", "ss@"),
        ("jane\uff20example.com", "jane"),
        ("card \u0e54" + 15 * "\u0e51", "\u0e51"),
        ('{"a":"4111 1111 1111\\r\\n1111"}', "4111"),
        ('{"a":"card \\u0e54' + 15 * "\\u0e51" + '"}', "0e51"),
    ],
)
def test_nothing_of_a_value_is_left_behind(row: str, secret: str) -> None:
    assert secret not in text(USUAL, row)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("redact", "paid with [redacted:pan] today"),
        ("alert_only", f"paid with {CARD} today"),
        ("mask", "paid with 411111******1111 today"),
        ("drop_row", ""),
    ],
)
def test_each_action_does_what_it_says(action: str, expected: str) -> None:
    assert text(ruled(action), f"paid with {CARD} today") == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('{"a":1,"card":"4111111111111111","b":2}', '{"a":1,"b":2}'),
        ('{"card":"4111111111111111","b":2}', '{"b":2}'),
        ('{"a":1,"card":"4111111111111111"}', '{"a":1}'),
        ('{"card":4111111111111111}', "{}"),
        ('{"card":4111111111111111,"pan":"5105105105105100"}', "{}"),
        ('{"x":0,"card":4111111111111111,"pan":"5105105105105100"}', '{"x":0}'),
        ('{"m":"4111111111111111 5105105105105100","k":"other"}', '{"k":"other"}'),
        ('{"cards":["4111111111111111","5105105105105100"],"k":1}', '{"k":1}'),
        ('{"x":{"card":"4111111111111111"},"b":2}', '{"x":{},"b":2}'),
        ('{"m":"{\\"card\\":\\"4111111111111111\\",\\"n\\":1}"}', '{"m":"{\\"n\\":1}"}'),
    ],
)
def test_a_field_is_dropped_with_its_comma(row: str, expected: str) -> None:
    assert text(ruled("drop_field"), row, Codec.RECORDS) == expected


def test_a_field_of_logfmt_is_dropped_with_its_name() -> None:
    assert text(ruled("drop_field"), "a=1 card=4111111111111111 b=2") == "a=1 b=2"


def test_a_rule_is_for_a_service_and_an_environment() -> None:
    cleaner = ruled("alert_only", service="news-*", environment="staging")
    named = {"service.name": "news-mail", "deployment.environment": "staging"}
    assert CARD in text(cleaner, f"card {CARD}", resource=named)
    assert CARD not in text(cleaner, f"card {CARD}", resource={**named, "service.name": "shop"})
    row = json.dumps({"service": "news-mail", "deployment.environment": "staging", "body": CARD})
    assert CARD in text(cleaner, row, Codec.RECORDS)


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ([Rule("pan", "mask", "a")], "guard.rules"),
        ([Rule("pan", "mask", "a"), Rule("pan", "pseudonymise")], "guard.rules[1]"),
        ([Rule("cvv", "pseudonymise")], "guard.rules[0].action"),
        ([Rule("cvv", "alert_only")], "guard.rules[0].action"),
        ([Rule("secret", "mask")], "guard.rules[0].action"),
        ([Rule("nothing", "redact")], "guard.rules[0].detector"),
        ([Rule("*", "alert_only")], "guard.rules[0].action"),
    ],
)
def test_a_rule_that_gives_a_value_away_is_refused(rules: list[Rule], key: str) -> None:
    with pytest.raises(ConfigError, match=key.replace("[", r"\[")):
        Cleaner(Settings(rules=rules))


def test_a_field_rule_finds_what_no_pattern_can() -> None:
    row = json.dumps({"customer": {"Name": "Joe Schmoe"}, "host.name": "web-1"})
    after = json.loads(text(USUAL, row, Codec.RECORDS))
    assert after["customer"]["Name"].startswith("#name:")
    assert after["host.name"] == "web-1"
    assert "Schmoe" not in text(USUAL, 'order customer.name="Joe Schmoe" ok')


def test_a_field_rule_takes_whatever_stands_there() -> None:
    cleaner = Cleaner(Settings(fields=[Field("patient")]))
    after = json.loads(text(cleaner, '{"patient":{"first":"Joe","age":7},"n":1}', Codec.RECORDS))
    assert set(after) == {"patient", "n"}
    assert after["patient"].startswith("#name:")


APPROVED = Approved(
    "cards", "pan", "payments", "smoke tests", datetime.date(2027, 1, 31), ["4111111111111111"]
)


def test_an_approved_value_passes_until_its_entry_expires(caplog: pytest.LogCaptureFixture) -> None:
    day = int(datetime.datetime(2027, 1, 30, 12, tzinfo=datetime.UTC).timestamp() * 1e9)
    clock = ManualClock(day)
    cleaner = Cleaner(Settings(approved=[APPROVED]), clock)
    assert text(cleaner, f"card {CARD}") == f"card {CARD}"
    assert {place.action for place in cleaned(cleaner, f"card {CARD}").found} == {"approved"}
    clock.advance(86_400.0)
    cleaner.approved.watch()
    assert CARD not in text(cleaner, f"card {CARD}")
    assert "expired" in caplog.text and "4111" not in caplog.text


def test_an_approved_value_is_marked_where_an_entry_says_so() -> None:
    entry = msgspec.structs.replace(APPROVED, treatment="mark", environment="test")
    cleaner = Cleaner(Settings(approved=[entry]), ManualClock(1_790_000_000_000_000_000))
    staged = {"deployment.environment": "test"}
    assert text(cleaner, f"card {CARD}", resource=staged) == "card [test:pan]"
    assert "#pan:" in text(cleaner, f"card {CARD}")


MEMBER = Custom("member_id", r"MB-\d{4,12}", ["member MB-12345"], ["part MB-1"], context=["member"])


def test_a_detector_of_a_configuration_takes_the_whole_value() -> None:
    cleaner = Cleaner(Settings(detectors=[MEMBER]))
    assert text(cleaner, "member MB-123456789.").startswith("member #member_id:")
    assert text(cleaner, "member MB-123456789.").endswith(".")
    assert text(cleaner, "part MB-123456789") == "part MB-123456789"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"matches": ["member MB-1"]}, r"matches\[0\]"),
        ({"traps": ["member MB-12345"]}, r"traps\[0\]"),
        ({"name": "pan"}, "name"),
        ({"pattern": r"(?=x)MB"}, "pattern"),
        ({"matches": []}, "matches"),
    ],
)
def test_a_detector_that_breaks_its_promise_is_refused(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"guard\.detectors\[0\].*{key}"):
        Cleaner(Settings(detectors=[msgspec.structs.replace(MEMBER, **change)]))


def test_samples_keep_their_numbers() -> None:
    row = '{"name":"n","value":4111111111111111,"labels":{"who":"jane@example.com"}}'
    after = text(USUAL, row, Codec.RECORDS, signal=Signal.METRICS)
    assert '"value":4111111111111111' in after
    assert "jane" not in after


def test_a_key_over_several_rows_is_taken_out() -> None:
    mark = "PRIVATE " + "KEY-----"
    rows = [f"-----BEGIN RSA {mark}", "MIIE" + "aB3+" * 15, "c2ln", f"-----END RSA {mark}", "next"]
    after = text(USUAL, "\n".join(rows)).split("\n")
    assert after[:3] == ["[redacted:private_key]"] * 3
    assert after[4] == "next"


def test_the_rest_of_a_key_that_began_in_another_frame_is_taken_out() -> None:
    rows = ["before", "MIIE" + "aB3+" * 15, "c2ln", "-----END RSA PRIVATE " + "KEY-----", "next"]
    after = text(USUAL, "\n".join(rows)).split("\n")
    assert after == ["before", *3 * ["[redacted:private_key]"], "next"]


VALUES = (
    CARD,
    "4111111111111111",
    "jane.doe@example.com",
    "219-09-9998",
    "password=hunter2",
    "DE89 3704 0044 0532 0130 00",
    "+49 30 901820",
)
LEFT = ("4111", "jane.doe", "219-09", "hunter2", "3704 0044", "901820")
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.one_of(
    st.sampled_from(VALUES).map(lambda value: f"seen {value} here"),
    st.builds("{} ; {} ; {}".format, WORDS, st.sampled_from(VALUES), WORDS),
    WORDS,
)
LEAVES = st.one_of(TEXTS, st.integers(-9, 9), st.booleans(), st.none(), st.just(4111111111111111))


def _nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(st.sampled_from(["a", "card", "user.x", 'q"', *"xyz"]), children)
    dumps = objects.map(json.dumps)
    return st.one_of(st.lists(children, max_size=4), objects, dumps)


DOCUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "card"]), st.recursive(LEAVES, _nested, max_leaves=12), min_size=1
)


@settings(max_examples=examples(50), deadline=None)
@given(DOCUMENTS, st.booleans())
def test_json_stays_json_without_its_values(document: Any, ascii_only: bool) -> None:
    row = json.dumps(document, ensure_ascii=ascii_only)
    after = text(USUAL, row, Codec.RECORDS)
    assert type(json.loads(after)) is dict
    assert not any(left in after for left in LEFT)
    assert text(USUAL, after, Codec.RECORDS) == after


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=5))
def test_any_bytes_keep_their_rows(rows: list[bytes]) -> None:
    data = b"\n".join(row.replace(b"\n", b"") for row in rows)
    after = USUAL.clean(header(len(rows)), data, SECRETS)
    assert after.data.count(b"\n") == data.count(b"\n")
    assert after.rows == len(rows)


def test_nothing_of_a_value_is_in_what_is_remembered() -> None:
    row = "ERROR app/billing.py:88 card 4111 1111 1111 1111 of Joe Schmoe refused"
    (place,) = cleaned(USUAL, row, resource={"service.name": "payments"}).found
    assert (place.service, place.code, place.detector) == ("payments", "app/billing.py:88", "pan")
    assert place.field == "ERROR app * billing * card *"
