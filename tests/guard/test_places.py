"""What is remembered of a find says where it was, and holds nothing of anybody."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.finding import Place
from tailrace.core.frame import Header
from tailrace.guard import places
from tailrace.guard.settings import Custom
from tailrace.guard.vocabulary import WORDS

from .cleaning import acting, clean, cleaner, header


def found(row: bytes, **said: object) -> Place:
    place, *others = clean(row, **said).found
    assert not others
    return place


def field(row: bytes) -> str:
    return found(row).field


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b'{"user_email":"jane@example.com"}', "user_email"),
        (b'{"user.email": "jane@example.com"}', "user.email"),
        (b'{"a":{"b":["jane@example.com"]}}', "b"),
        (b'{"body":"{\\"mail\\":\\"jane@example.com\\"}"}', "mail"),
        (b"mail=jane@example.com", "mail"),
        (b'mail="jane@example.com"', "mail"),
        (b"sent email to jane@example.com", "sent email to *"),
        (b'{"body":"sent email to jane@example.com"}', "sent email to *"),
        (b"Payment of Joe Schmoe failed: card 4111111111111111", "Payment of * failed * card *"),
        (b"4111 1111 1111 1111", "*"),
        (b"joe 1980 17 4111 1111 1111 1111", "* *"),
        (b'{"4111111111111111":"jane"}', "*"),
    ],
)
def test_a_field_is_the_name_before_the_value_or_words_of_the_line(
    row: bytes, expected: str
) -> None:
    assert field(row) == expected


@pytest.mark.parametrize(
    "row",
    [
        b"password=hunter=jane@example.com",
        b'{"password":"hunter=4111 1111 1111 1111"}',
        b'{"password":"hunter\\"=4111 1111 1111 1111"}',
        b'{"jane@hunter.example":"jane@hunter.example"}',
        b'{"a":"bob@hunter.example","jane@hunter.example":"x"}',
        b"postgres://app:hunter=jane@hunter.example:5432/x",
        b"GET /x?token=hunter&hunter%3Djane@example.com",
        b"jane@hunter.example=bob@example.com",
        b'"hunter.jane@hunter.example":4111111111111111,',
        b"api_key=hunter9:4111111111111111",
        b"card 4111111111111111=hunter@example.com",
    ],
)
def test_a_field_holds_nothing_of_a_value_beside_or_around_it(row: bytes) -> None:
    for place in clean(row).found:
        assert "hunter" not in place.field
        assert "4111" not in place.field


_word = st.sampled_from(
    [*sorted(WORDS)[::20], "Schmoe", "Müller", "x9k2", "hunter2", "4111", "\x1b["]
)
_joint = st.sampled_from([" ", ": ", ", ", " - ", "; ", ' "', " (", "\t", " #"])


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.tuples(_word, _joint), max_size=8))
def test_a_pattern_is_made_of_words_of_logs_only(line: list[tuple[str, str]]) -> None:
    row = "".join(word + joint for word, joint in line) + "jane@example.com"
    for place in clean(row.encode()).found:
        assert re.fullmatch(r"[A-Za-z *]+", place.field)
        assert {word.lower() for word in place.field.split()} <= WORDS | {"*"}


@settings(deadline=None)
@given(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw))
def test_whatever_stands_before_a_value_a_field_is_short_and_plain(before: bytes) -> None:
    for place in clean(before + b" jane@example.com").found:
        assert len(place.field) <= 120
        assert place.field.isprintable()
        assert place.code.isprintable()
        assert "jane" not in place.field


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"billing.py:88 jane@example.com", "billing.py:88"),
        (b"INFO [shop/app/billing.py:88] jane@example.com", "shop/app/billing.py:88"),
        (b'{"file":"billing.py","line":88,"m":"jane@example.com"}', "billing.py:88"),
        (b'{"code.filepath":"a/billing.py","code.lineno":"88","m":"jane@example.com"}',
        "a/billing.py:88"),
        (b'{"pathname":"billing.py","lineno":88,"m":"jane@example.com"}', "billing.py:88"),
        (b'{"caller":"billing/charge.go:12","m":"jane@example.com"}', "billing/charge.go:12"),
        (b"jane@example.com at App.java:7", "App.java:7"),
        (b"jane@example.com", ""),
        (b"x.py:1234567 jane@example.com", ""),
        (b'{"file":"jane@example.com","line":88}', ""),
    ],
)  # fmt: skip
def test_the_line_of_code_is_read_where_the_row_says_it(row: bytes, code: str) -> None:
    assert found(row).code == code


def test_the_line_of_code_holds_nothing_of_a_value() -> None:
    for row in (b"jane@example.py:88 x", b"password=hunter2.py:88", b"bob@example.com/a.py:1"):
        for place in clean(row).found:
            assert "jane" not in place.code
            assert "hunter" not in place.code
            assert "bob" not in place.code


def test_service_version_and_environment_come_from_the_frame_or_else_from_the_row() -> None:
    resource = {
        "service.name": "pay", "service.version": "2.4.1", "deployment.environment.name": "prod",
    }  # fmt: skip
    place = found(b"jane@example.com", resource=resource)
    assert (place.service, place.version, place.environment) == ("pay", "2.4.1", "prod")
    row = {"service": "web", "attributes": {"service.version": "3"}, "e": "jane@example.com",
           "resource": {"deployment.environment": "dev"}}  # fmt: skip
    place = found(json.dumps(row).encode())
    assert (place.service, place.version, place.environment) == ("web", "3", "dev")
    assert place.tenant == "acme"


@pytest.mark.parametrize("name", ["service", "service.version", "deployment.environment"])
def test_a_service_that_is_a_value_itself_is_not_remembered(name: str) -> None:
    for value in ("jane@example.com", "4111 1111 1111 1111"):
        for action in ("redact", "drop_field", "drop_row"):
            by = acting("*", action)  # type: ignore[arg-type]
            row = json.dumps({name: value, "m": "x"}).encode()
            for place in clean(row, by).found:
                assert "jane" not in str(place)
                assert "1111" not in str(place)


def test_a_service_that_is_only_alerted_about_is_not_remembered_either() -> None:
    row = json.dumps({"service": "jane@example.com"}).encode()
    for place in clean(row, acting("email", "alert_only")).found:
        assert "jane" not in str(place)


def test_of_values_that_overlap_in_a_service_no_part_is_remembered() -> None:
    overlapping = [
        Custom("badge", r"B-[0-9]{4}-L", ["B-1234-L"], ["B-12"], action="alert_only"),
        Custom("loyalty", r"L-[0-9]{6}", ["L-123456"], ["L-12"], action="alert_only"),
    ]
    by = cleaner(detectors=overlapping)
    remembered = clean(b'{"service":"B-1234-L-987654"}\n', by).found
    assert {place.detector for place in remembered} == {"badge", "loyalty"}
    assert {place.service for place in remembered} == {"*"}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3))
def test_an_origin_is_read_from_any_row(row: dict[str, str]) -> None:
    said: Header = header(b"x")
    assert all(isinstance(part, str) for part in places.Origin(said).of(json.dumps(row).encode()))


@pytest.mark.parametrize("control", ["\x1b[31m", "\x07", "\x00", "\u202e", "\x9b"])
def test_control_characters_do_not_reach_a_terminal_by_a_finding(control: str) -> None:
    row = f"{control}=x {control}a.py:1 {control}e{control}=jane@example.com"
    place = found(row.encode())
    assert place.field.isprintable()
    assert place.code.isprintable()
