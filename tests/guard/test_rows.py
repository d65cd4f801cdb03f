"""Values go from wherever they stand, and every other byte stays where it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.finding import Action
from tailrace.core.frame import Codec, Signal
from tailrace.guard.kinds import KINDS
from tailrace.guard.settings import Rule

from .cleaning import acting, clean, cleaned, cleaner, count_rows, kinds, pseudonym
from .samples import AWS, JWT

# What a row may hold, and what stands in its place.
PLANTED = {
    "4111 1111 1111 1111": pseudonym("pan", b"4111111111111111"),
    "5555-5555-5555-4444": pseudonym("pan", b"5555555555554444"),
    "219-09-9998": pseudonym("ssn", b"219099998"),
    "DE89 3704 0044 0532 0130 00": pseudonym("iban", b"DE89370400440532013000"),
    "Jane.Doe@example.com": pseudonym("email", b"jane.doe@example.com"),
    "+49 30 901820": pseudonym("phone", b"+4930901820"),
    JWT.decode(): "[redacted:jwt]",
    AWS.decode(): "[redacted:api_key]",
}
NUMBERS = {
    4111111111111111: pseudonym("pan", b"4111111111111111"),
    378282246310005: pseudonym("pan", b"378282246310005"),
}
Pair = tuple[Any, Any]

_around = st.text("xyz \"\\{}[],:;()/'\té😀=&", max_size=6)
_same = st.one_of(
    st.none(), st.booleans(), st.integers(-999, 999), _around,
    st.floats(-1e3, 1e3).map(lambda number: round(number, 2)),
).map(lambda leaf: (leaf, leaf))  # fmt: skip
# A value that seems to stand in an array within a text is quoted there, as a number would be.
_beside = _around.map(lambda text: text.translate({ord("["): "(", ord("{"): "("}))
_text = st.tuples(_beside, st.sampled_from(sorted(PLANTED)), _beside).map(
    lambda of: (f"{of[0]} {of[1]} {of[2]}", f"{of[0]} {PLANTED[of[1]]} {of[2]}")
)
_number = st.sampled_from(sorted(NUMBERS)).map(lambda number: (number, NUMBERS[number]))
_key = st.text("abcxyz_. ", min_size=1, max_size=4)


def _listed(pairs: list[Pair]) -> Pair:
    return [before for before, _ in pairs], [after for _, after in pairs]


def _named(pairs: dict[str, Pair]) -> Pair:
    return (
        {key: pair[0] for key, pair in pairs.items()},
        {key: pair[1] for key, pair in pairs.items()},
    )


def _dumped(pair: Pair) -> Pair:
    return json.dumps(pair[0]), json.dumps(pair[1])


def documents(leaf: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """A document with values in it, and what it must become."""
    within = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(_listed),
            st.dictionaries(_key, inner, max_size=3).map(_named),
            st.dictionaries(_key, inner, min_size=1, max_size=2).map(_named).map(_dumped),
        ),
        max_leaves=8,
    )
    return st.dictionaries(_key, within, min_size=1, max_size=4).map(_named)


@settings(max_examples=examples(80), deadline=None)
@given(documents(_same | _text), st.sampled_from([None, 2]), st.booleans())
def test_values_in_texts_of_json_go_and_every_other_leaf_stays(
    document: Pair, indent: int | None, escaped: bool
) -> None:
    row = json.dumps(document[0], indent=indent, ensure_ascii=escaped).replace("\n", "\x1e")
    result = cleaned(row.encode(), codec=Codec.RECORDS if indent is None else Codec.LINES)
    assert json.loads(result.replace(b"\x1e", b"\n")) == document[1]


@settings(max_examples=examples(50), deadline=None)
@given(documents(_same | _number))
def test_numbers_become_texts_wherever_they_stand_in_json(document: Pair) -> None:
    assert json.loads(cleaned(json.dumps(document[0]).encode())) == document[1]


@settings(max_examples=examples(50), deadline=None)
@given(documents(_same | _text | _number))
def test_what_was_cleaned_stays_as_it_is(document: Pair) -> None:
    once = cleaned(json.dumps(document[0]).encode())
    assert cleaned(once) == once


@settings(deadline=None)
@given(st.sampled_from(sorted(PLANTED)), _key)
def test_a_value_in_a_key_goes_too(value: str, key: str) -> None:
    row = json.dumps({"a": 1, f"{key} {value}": {"b": 2}})
    assert json.loads(cleaned(row.encode())) == {"a": 1, f"{key} {PLANTED[value]}": {"b": 2}}


_word = st.text("abcxyz", min_size=1, max_size=5)
_field = st.one_of(
    st.tuples(_word, _word).map(lambda of: (f"{of[0]}={of[1]}", f"{of[0]}={of[1]}")),
    st.tuples(_word, st.sampled_from(sorted(PLANTED))).map(
        lambda of: (f'{of[0]}="{of[1]}"', f'{of[0]}="{PLANTED[of[1]]}"')
    ),
    st.tuples(_word, st.sampled_from(sorted(PLANTED)), _word).map(
        lambda of: (f"{of[0]}: {of[1]}, {of[2]}", f"{of[0]}: {PLANTED[of[1]]}, {of[2]}")
    ),
    st.sampled_from(sorted(PLANTED)).map(lambda value: (f"({value})", f"({PLANTED[value]})")),
)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.lists(_field, max_size=4), min_size=1, max_size=4), st.booleans())
def test_bytes_outside_of_values_stay_in_logfmt_and_lines(
    rows: list[list[Pair]], ended: bool
) -> None:
    def text(which: int) -> bytes:
        joined = "\n".join("  ".join(pair[which] for pair in row) for row in rows)
        return (joined + ("\n" if ended else "")).encode()

    result = clean(text(0))
    assert result.data == text(1)
    assert (result.rows, result.dropped) == (count_rows(text(0)), 0)


FORMS = {
    "json": lambda text: json.dumps(text)[1:-1],
    "escaped": lambda text: "".join(
        f"\\u{ord(char):04x}" if char in "@ " or char.isdigit() else char for char in text
    ),
    "url": quote,
    "url twice": lambda text: quote(quote(text)),
    "nbsp": lambda text: text.replace(" ", "\u00a0"),
    "escaped nbsp": lambda text: text.replace(" ", "\\u00a0"),
    "html": lambda text: text.replace(" ", "&nbsp;").replace("@", "&#64;"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", sorted(PLANTED))
def test_a_value_goes_whole_in_every_form(form: str, value: str) -> None:
    wrote = FORMS[form](value)
    row = f'{{"a":"x {wrote} y","b":1}}'.encode()
    assert cleaned(row) == f'{{"a":"x {PLANTED[value]} y","b":1}}'.encode()


@pytest.mark.parametrize(
    "row",
    [
        b'{"dob":19800203.0}', b'{"dob":19800203}', b'{"taxpayer_id":-912701234}',
        b'{"phone":-4155550132}', b'{"phone":4155550132.0}', b'{"card":4.111111111111111E15}',
        b'{"card":4111111111111111.0}', b'{"card":4111111111111111e0}',
        b'{"ssn":123456789.0}', b'{"cvv":123}', b'{"cvv":123.0}', b'{"pin":1234}',
        b'{"pin":1234.0}',
        b'{"password":12345678}', b'{"password":1.5e9}', b'{"a":[{"b":1},4111111111111111]}',
        b'{"a":[[1,2],4111111111111111]}', b'{"a":["x]",4111111111111111]}',
        b'{"a":["\\"",4111111111111111]}', b'{"a":[4111111111111111,5555555555554444]}',
        b'{"a":":4111111111111111,"}', b'{"a":"\\":4111111111111111,"}',
        b'{"a":"x","b":": 4111111111111111]"}',
        b'{"a":"[ 4111111111111111, 2]","b":"\\"k\\": [4111111111111111, 2]"}',
        b'{"a": {"card" :4111111111111111 } }', b'{"a":"{\\"card\\":4111111111111111}"}',
        b'{"a":"{\\"b\\":\\"{\\\\\\"card\\\\\\":4111111111111111}\\"}"}', b'[4111111111111111]',
        b'{"a":"{\\"l\\":[{\\"x\\":1},4111111111111111]}"}', b'"4111111111111111"',
        b'{"a":[' + b"1," * 2000 + b'4111111111111111]}',
    ],
)  # fmt: skip
def test_a_row_of_json_is_one_still(row: bytes) -> None:
    json.loads(row)
    result = cleaned(row)
    json.loads(result)
    assert b"4111" not in result


@pytest.mark.parametrize("size", range(4_090, 4_098))
def test_a_row_of_json_is_one_still_where_its_secret_is_longer_than_is_read(size: int) -> None:
    row = json.dumps({"body": "password=" + "a" * size + "\\x" * 8})
    assert json.loads(cleaned(row.encode(), codec=Codec.RECORDS))["body"].startswith("password=[")


NUMBERED = list(range(2_000))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("tokens=[abc, def", "tokens=[redacted:secret]"),
        ('{"user":1,"token":', '{"user":1,"token":'),
        ("password=[C:\\", "password=[redacted:secret]"),
        ('{"token":["a",', '{"token":[redacted:secret]'),
        (f"tokens={NUMBERED} end", "tokens=[redacted:secret] end"),
        (json.dumps({"tokens": NUMBERED, "x": 1}), '{"tokens": "[redacted:secret]", "x": 1}'),
    ],
    ids=["open", "cut off", "path", "cut off in a list", "long list", "long list of JSON"],
)
def test_a_value_in_a_text_of_a_record_ends_with_the_text(body: str, left: str) -> None:
    row = json.dumps({"body": body, "tokens": ["a", "b"], "after": "]"})
    found = json.loads(cleaned(row.encode(), codec=Codec.RECORDS))
    assert found == {"body": left, "tokens": "[redacted:secret]", "after": "]"}


LONG = 20_000 * "a! é "
GONE = "[redacted:secret]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f'password="{LONG}" end', f'password="{GONE}" end'),
        (f"password='{LONG}' end", f"password='{GONE}' end"),
        (f'password="{LONG}', f'password="{GONE}'),
        (f"password='{LONG}", f"password='{GONE}"),
        (f'{{\\"password\\":\\"{LONG}\\"}} end', f'{{\\"password\\":\\"{GONE}\\"}} end'),
        (f'password=\\\\"{LONG}\\\\" end', f'password=\\\\"{GONE}'),
        (f"password={LONG.replace(' ', '')} end", f"password={GONE} end"),
        (f"tokens=[{LONG}] end", f"tokens={GONE} end"),
        (f"tokens=[{LONG}", f"tokens={GONE}"),
        (f"tokens=[['{LONG}'", f"tokens={GONE}"),
    ],
    ids=["quoted", "apostrophes", "open", "open apostrophe", "escaped", "no level", "plain", "list",
         "open list", "open string"],
)  # fmt: skip
def test_nothing_of_a_long_secret_is_left_in_a_line_or_record(text: str, left: str) -> None:
    assert cleaned(text.encode()).decode() == left
    row = json.dumps({"body": text, "after": "kept"})
    assert json.loads(cleaned(row.encode(), codec=Codec.RECORDS)) == {"body": left, "after": "kept"}


def test_a_long_secret_of_a_record_goes_and_the_rest_stays() -> None:
    row = json.dumps({"password": LONG, "after": "kept"})
    found = json.loads(cleaned(row.encode(), codec=Codec.RECORDS))
    assert found == {"password": GONE, "after": "kept"}


def test_a_list_of_secrets_goes_whole_whatever_its_length() -> None:
    row = json.dumps({"tokens": [f"token {n}" for n in NUMBERED], "after": "kept"})
    found = json.loads(cleaned(row.encode(), codec=Codec.RECORDS))
    assert found == {"tokens": "[redacted:secret]", "after": "kept"}


WORDS = (
    "tokens=", "password: ", "api_key=", '"token":', "ssn=", "pwd='", "authorization: Bearer ",
    "[", "]", "{", "}", "(", ")", '"', "'", "`", "\\", '\\"', ",", ";", ":", "=>", "%3D", "&", "<",
    ">", " ", "\n", "a", "abc ", "x1", "secret", "null", "-5", "219-09-9998", "4111111111111111 ",
)  # fmt: skip
_words = st.lists(st.sampled_from(WORDS), max_size=20).map("".join)
_name = st.sampled_from(("tokens", "password", "ssn", "x"))
_anything = st.recursive(
    st.one_of(_words, st.integers(-9, 10**16)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_name, inner, max_size=3),
        inner.map(json.dumps),
    ),
    max_leaves=6,
)


@settings(max_examples=examples(100))
@given(_words, _name, _anything, st.booleans())
def test_whatever_a_record_says_it_is_one_still(
    body: str, name: str, value: Any, ascii_only: bool
) -> None:
    row = json.dumps({"body": body, name: value, "after": "kept"}, ensure_ascii=ascii_only)
    assert json.loads(cleaned(row.encode(), codec=Codec.RECORDS))["after"] == "kept"


@pytest.mark.parametrize("field", ["dob", "taxpayer_id", "cvv", "social_security_number"])
def test_numbers_that_became_fractions_are_found(field: str) -> None:
    number = {"dob": "19800203", "taxpayer_id": "912701234", "cvv": "123"}.get(field, "219099998")
    assert kinds(f'{{"{field}":{number}}}'.encode())
    assert kinds(f'{{"{field}":{number}.0}}'.encode())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"jane@example.com,bob@example.com", {"email": 2}),
        (b"jane@example.com;219-09-9998", {"email": 1, "ssn": 1}),
        (b"4111111111111111 5555555555554444", {"pan": 2}),
        (b"4111-1111-1111-1111 5555-5555-5555-4444", {"pan": 2}),
        (b"password=jane@example.com", {"secret": 1, "email": 1}),
        (b"token=" + JWT, {"secret": 1, "jwt": 1}),
        (b"219-09-9998,078-05-1120", {"ssn": 2}),
        (b"4111 1111 1111 1111 12/27 123", {"pan": 1, "cvv": 1}),
    ],
)
def test_values_side_by_side_and_in_one_another_all_go(
    row: bytes, expected: dict[str, int]
) -> None:
    result = clean(row)
    counts: dict[str, int] = {}
    for place, hits in result.found.items():
        counts[place.detector] = counts.get(place.detector, 0) + hits
    assert counts == expected
    assert not any(
        part in result.data for part in (b"example.com", b"4111", b"4444", b"09", b"eyJ")
    )


@pytest.mark.parametrize(
    "row",
    [
        "4111111111111111 6304000000000000",
        "phone=+4930901820 12345678",
        "4111111111111111 cvv=123 456",
        "cvv=123 1234",
        "219-09-9998 078051120",
    ],
)
def test_a_pseudonym_is_no_word_beside_the_next_number(row: str) -> None:
    once = cleaned(row.encode())
    assert cleaned(once) == once


def test_a_pseudonym_of_many_digits_is_not_taken_for_a_value() -> None:
    codes = ("k3j9x2m219099998", "k3j9x2m912701234", "19800203k3j9x2m4")
    rows = [f"{kind}=#{kind}:{code}" for kind in KINDS for code in codes]
    assert [row for row in rows if cleaned(row.encode()) != row.encode()] == []


ACTIONS: tuple[Action, ...] = ("pseudonymise", "redact", "mask", "drop_field", "drop_row")
EXAMPLES = {
    "pan": b"4111 1111 1111 1111", "track": b";4111111111111111=27121010000000000?",
    "cvv": b"cvv=123", "pin": b"pin=1234", "ssn": b"219-09-9998", "itin": b"912-70-1234",
    "iban": b"DE89370400440532013000", "email": b"jane@example.com", "phone": b"+49 30 901820",
    "dob": b"dob=1980-02-03", "jwt": JWT, "api_key": AWS, "secret": b"password=hunter2",
    "private_key": b"-----BEGIN " + b"PRIVATE KEY-----", "ip": b"203.0.113.9",
    "name": b'{"customer":{"name":"Joe Schmoe"}}',
}  # fmt: skip


def _allowed(kind: str, action: Action) -> bool:
    return action not in KINDS[kind].refused and (action != "mask" or KINDS[kind].mask is not None)


@pytest.mark.parametrize("action", ACTIONS)
def test_cleaning_again_changes_nothing_whatever_the_action(action: Action) -> None:
    treated = [kind for kind in KINDS if _allowed(kind, action)]
    rules = [Rule(kind, action) for kind in treated]
    by = cleaner(rules=rules, enable=["ip"])
    for kind in treated:
        row = b"a " + EXAMPLES[kind] + b" z\nend\n"
        once = clean(row, by).data
        assert once != row, kind
        assert clean(once, by).data == once, kind


SAMPLE = {"time": 4111111111111111, "name": "m", "value": 4111111111111111.0, "kind": "gauge"}


@pytest.mark.parametrize(
    "sample",
    [
        SAMPLE,
        {**SAMPLE, "value": 4111111111111111},
        {**SAMPLE, "exemplars": [{"time": 4111111111111111, "value": 4111111111111111.0}]},
        {**SAMPLE, "exemplars": [{"value": 1.0,
            "attributes": {"a": "b"}}, {"value": 4111111111111111}]},
        {**SAMPLE, "attributes": {"card": "x", "le": "+Inf"}},
    ],
)  # fmt: skip
def test_numbers_of_samples_stay(sample: dict[str, Any]) -> None:
    row = json.dumps(sample).encode()
    assert cleaned(row, codec=Codec.RECORDS, signal=Signal.METRICS) == row


def test_labels_of_samples_are_cleaned() -> None:
    row = json.dumps(
        {**SAMPLE, "attributes": {"user": "jane@example.com", "card": "4111111111111111"}}
    )
    result = json.loads(cleaned(row.encode(), codec=Codec.RECORDS, signal=Signal.METRICS))
    assert result["value"] == result["time"] == 4111111111111111
    assert result["attributes"] == {
        "user": pseudonym("email", b"jane@example.com"),
        "card": pseudonym("pan", b"4111111111111111"),
    }


def _hex(size: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=size, max_size=size)


@settings(deadline=None)
@given(
    st.integers(10**18, 10**19 - 1),
    _hex(32) | st.text("0123456789", min_size=32, max_size=32),
    _hex(16) | st.sampled_from(["4111111111111111"]),
)
def test_records_keep_time_and_ids(time: int, trace: str, span: str) -> None:
    record = {
        "time": time, "severity": "INFO", "body": "ok", "service": "payments",
        "trace_id": trace, "span_id": span, "attributes": {}, "resource": {},
    }  # fmt: skip
    row = json.dumps(record, separators=(",", ":")).encode()
    assert cleaned(row, codec=Codec.RECORDS) == row


BYTES = {action: acting("email", action) for action in ("redact", "drop_field", "pseudonymise")}
DROPPING = acting("pan", "drop_row")


@settings(max_examples=examples(80), deadline=None)
@given(
    st.lists(
        st.binary(max_size=20)
        | st.sampled_from([value.encode() for value in PLANTED])
        | st.sampled_from([b"\n", b"\n\n", b"\r\n", b"\xff\xfe", b"\0", b'"', b"{", b'{"a":',
        b"\\", b"password="])
    ),
    st.sampled_from(sorted(BYTES)),
)  # fmt: skip
def test_no_bytes_are_an_error_and_no_row_is_lost(pieces: list[bytes], action: str) -> None:
    data = b" ".join(pieces)
    result = clean(data, BYTES[action])
    assert (result.rows, result.dropped) == (count_rows(data), 0)
    assert count_rows(result.data) == count_rows(data)
    assert result.data.endswith(b"\n") == data.endswith(b"\n")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"", b"4111 1111 1111 1111", b"b"]), max_size=6), st.booleans()
)
def test_rows_that_are_dropped_are_counted(rows: list[bytes], ended: bool) -> None:
    data = b"\n".join(rows) + (b"\n" if ended and rows else b"")
    result = clean(data, DROPPING)
    kept = [row for row in data.split(b"\n") if b"4111" not in row]
    assert result.dropped == data.count(b"4111")
    assert result.rows == count_rows(data) - result.dropped == count_rows(result.data)
    assert b"4111" not in result.data
    assert [row for row in result.data.split(b"\n") if row] == [row for row in kept if row]
