"""Where a value ends, in every format that rows are written in."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.guard import values
from tailrace.guard.values import Quotes, after_separator, string_end, value_at


def value(row: str, at: int = 0) -> tuple[str, str] | None:
    text = row.encode() + b"\n"
    found = value_at(text, at, len(text) - 1, {})
    return (text[found.start : found.stop].decode(), found.shape) if found else None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('"abc" x', ("abc", "quoted")),
        ('"a\\"b" x', ('a\\"b', "quoted")),
        ('"a\\\\" x"', ("a\\\\", "quoted")),
        ('"" x', ("", "quoted")),
        ('"abc', ("abc", "quoted")),
        ("'abc' x", ("abc", "quoted")),
        ("'a\"b' x", ('a"b', "quoted")),
        ("`abc` x", ("abc", "quoted")),
        ('\\"abc\\" x', ("abc", "quoted")),
        ('\\"a\\\\\\"b\\" x', ('a\\\\\\"b', "quoted")),
        ('\\"abc", "b": 1', ("abc", "quoted")),
        ('\\\\\\"abc\\\\\\" x', ("abc", "quoted")),
        ("true,", ("true", "word")),
        ("null}", ("null", "word")),
        ("trueish x", ("trueish", "plain")),
        ("12,", ("12", "number")),
        ("-1.5e9}", ("-1.5e9", "number")),
        ("12ab x", ("12ab", "plain")),
        ("12 ab", ("12", "plain")),
        ("abc def", ("abc", "plain")),
        ("abc,def ghi", ("abc,def", "plain")),
        ("abc, def", ("abc", "plain")),
        ("abc,d=e", ("abc", "plain")),
        ("abc;d=e", ("abc", "plain")),
        ("abc&d=e", ("abc", "plain")),
        ("abc)", ("abc", "plain")),
        ("abc.", ("abc", "plain")),
        ("abc\x1edef", ("abc", "plain")),
        ('abc"', ("abc", "plain")),
        ("a\\\\b c", ("a\\\\b", "plain")),
        (" abc", None),
        (",", None),
        (")", None),
        ("", None),
    ],
)
def test_a_value_ends_where_its_format_says(row: str, expected: tuple[str, str] | None) -> None:
    assert value(row) == expected


@pytest.mark.parametrize(
    "separator",
    ["=", ":", ": ", " = ", " : ", "=>", " => ", '":', '": ', '" : ', '\\":', '\\": ', "':", "': ",
     '\\\\\\":', ":\\n", ":\x1e", "%3D", "%3d", "%3A", ":\t"],
)  # fmt: skip
def test_a_value_begins_behind_any_separator(separator: str) -> None:
    row = f"name{separator}value".encode()
    at = after_separator(row, 4, len(row))
    assert at is not None
    assert row[at:] == b"value"


@pytest.mark.parametrize("row", ["name", "name value", "name, value", 'name" value', "name;=x"])
def test_without_a_separator_there_is_no_value(row: str) -> None:
    assert after_separator(row.encode(), 4, len(row)) is None


def dumped(text: str, times: int) -> str:
    for _ in range(times):
        text = json.dumps(text)
    return text


@settings(deadline=None)
@given(st.text(max_size=20), st.integers(1, 4), st.text('"\\ ab', max_size=5))
def test_a_string_of_json_ends_at_its_own_quote_at_every_level(
    text: str, level: int, behind: str
) -> None:
    inner = json.dumps(text)
    row = dumped(json.dumps({"a": text, "b": behind}), level - 1).encode()
    slashes = 2 ** (level - 1) - 1
    opening = row.index(b":") + 1
    opening += row[opening:].index(b'"') + 1
    end = string_end(row, opening, len(row), slashes)
    wrote = inner
    for _ in range(level - 1):
        wrote = json.dumps(wrote)[1:-1]
    assert row[opening - 1 - slashes : end + slashes + 1] == wrote.encode()


_plain = st.recursive(
    st.integers(0, 9) | st.text('ab:,[]{}" ', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(_plain, _plain, st.integers(0, 3))
def test_a_number_in_json_is_quoted_as_its_level_asks(
    before: object, behind: object, level: int
) -> None:
    number = "7000000001"
    for document in ({"a": before, "n": int(number), "z": behind}, [before, int(number), behind]):
        row = json.dumps(document)
        for _ in range(level):
            row = json.dumps({"body": row})
        start = row.index(number)
        text = row.encode()
        start = text.index(number.encode())
        quote = Quotes(text, 0, len(text)).of(start, start + len(number))
        assert quote == b"\\" * (2**level - 1) + b'"'


_PIECES = st.lists(
    st.sampled_from([b"[", b"]", b"{", b"}", b'"', b'\\"', b'\\\\\\"', b"a", b"bc", b","]),
    max_size=60,
).map(b"".join)
_TOKEN = re.compile(rb"[{}\[\]]|(?<!\\)\\*\"")


def closed(text: bytes, at: int) -> int:
    """Where the bracket at `at` closes, read from it alone; 0 when it does not."""
    depth, done = 0, at
    while match := _TOKEN.search(text, done):
        done = match.end()
        if match[0] in b"{[":
            depth += 1
        elif match[0] in b"}]":
            depth -= 1
            if not depth:
                return done
        else:
            slashes = len(match[0]) - 1
            done = min(string_end(text, done, len(text), slashes) + slashes + 1, len(text))
    return 0


@settings(max_examples=examples(120))
@given(_PIECES, st.sampled_from([8, 30, 4_096]))
def test_a_bracket_closes_where_it_does_read_alone_whichever_were_read_before(
    pieces: bytes, most: int
) -> None:
    text = b"no record: " + pieces
    memo: dict[object, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "GUARDED_PLAIN_BYTES", most)
        patch.setattr(values, "_READINGS", len(text))
        for at in range(len(text)):
            if text[at : at + 1] not in (b"[", b"{"):
                continue
            cut = at + len(text[at : at + most].rstrip(b"\\"))
            bound = cut if at + most < len(text) else len(text)
            found = value_at(text, at, len(text), memo)
            end = closed(text, at)
            assert found == (at, end or bound, "nested", end or len(text))


@pytest.mark.parametrize("rest", ["]", ",1,2", '", "x": [1]'])
def test_of_a_record_a_bracket_in_a_text_closes_within_it(rest: str) -> None:
    row = b'{"body": "tokens=[1, 2", "y": "' + rest.encode() + b'"}'
    at = row.index(b"[")
    end = row.index(b'", "y"')
    assert value_at(row, at, len(row), {}) == (at, end, "nested", end)


@pytest.mark.parametrize("opening", ["", '\\\\"', '["'])
@pytest.mark.parametrize("most", range(10, 16))
def test_a_value_that_is_cut_off_ends_before_an_escape(opening: str, most: int) -> None:
    text = (opening + "abcdefg" + "\\\\x" * 8).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "GUARDED_PLAIN_BYTES", most)
        patch.setattr(values, "GUARDED_VALUE_BYTES", most - len(opening))
        found = value_at(text, 0, len(text), {})
    assert found
    left = text[found.stop :].decode()
    assert json.loads(f'"{left}"').startswith(("\\", "x"))
