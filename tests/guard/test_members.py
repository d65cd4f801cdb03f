"""Members of JSON in a row are the ones that a parser finds, at their places."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.guard.members import Member, members

_key = st.text('abé"\\/ {}[],:\n\t😀\u2028', min_size=1, max_size=5)
_leaf = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('ab "\\/{}[],:\n\té😀', max_size=8).filter(lambda text: text[:1] not in ("{", "[")),
)
_plain = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_key, inner, max_size=3),
    max_leaves=8,
)
_dumped = st.recursive(
    _plain.map(json.dumps).filter(lambda text: text[:1] in "{["),
    lambda inner: st.dictionaries(_key, inner, min_size=1, max_size=2).map(json.dumps),
    max_leaves=3,
)
_document = st.recursive(
    _leaf | _dumped,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_key, inner, max_size=3),
    max_leaves=8,
).filter(lambda found: isinstance(found, dict | list))


def expected(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of all members, also of documents in strings."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            within = (*path, *key.split("."))
            yield within, inner
            yield from expected(inner, within)
    elif isinstance(value, list):
        for inner in value:
            yield from expected(inner, path)


def unescaped(text: str, times: int) -> str:
    for _ in range(times):
        text = json.loads(f'"{text}"')
    return text


def level(row: str, member: Member) -> int:
    """How many dumps a member is in, by the backslashes before the quote that opens its name."""
    head = row[member.start :]
    slashes = len(head) - len(head.lstrip("\\"))
    return {0: 0, 1: 1, 3: 2, 7: 3, 15: 4, 31: 5}[slashes]


def got(row: bytes) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    text = row.decode("latin-1")
    for member in members(row, 0, len(row)):
        times = level(text, member)
        raw = row[member.value_start : member.value_stop].decode()
        path = tuple(part.decode() for part in member.path)
        quoted = row[member.value_start - 1 : member.value_start] == b'"'
        text_of = unescaped(raw.replace("\x1e", " "), times + quoted)
        value = text_of if quoted else json.loads(text_of)
        found.append((path, value))
    return found


def values(row: bytes) -> list[Any]:
    return [[value] for _, value in got(row)]


def plain(found: Iterator[tuple[tuple[str, ...], Any]] | list[Any]) -> list[str]:
    return sorted(json.dumps(one) for one in found)


_simple_key = st.text("ab-_ ", min_size=1, max_size=4)


@settings(deadline=None)
@given(_document)
def test_members_are_those_of_a_parser(document: Any) -> None:
    row = json.dumps(document).encode()
    assert plain(values(row)) == plain([[value] for _, value in expected(document)])


_named = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_simple_key, inner, max_size=3),
    max_leaves=10,
).filter(lambda found: isinstance(found, dict | list))


@settings(deadline=None)
@given(_named, st.sampled_from([None, 1]), st.booleans(), st.integers(0, 3))
def test_paths_are_those_of_a_parser(
    document: Any, indent: int | None, unicode: bool, dumps: int
) -> None:
    value = document
    for _ in range(dumps):
        value = {"body": json.dumps(value, indent=indent)}
    row = json.dumps(value, indent=indent, ensure_ascii=unicode).replace("\n", "\x1e")
    assert plain(got(row.encode())) == plain(expected(value))


@settings(deadline=None)
@given(_document, st.text("ab :,", max_size=5), st.text("ab :,", max_size=5))
def test_words_may_stand_around_a_document(document: Any, before: str, behind: str) -> None:
    row = json.dumps(document)
    assert values(f"{before}{row}{behind}".encode()) == values(row.encode())


@settings(deadline=None)
@given(_document)
def test_a_members_span_holds_its_name_and_value(document: Any) -> None:
    row = json.dumps(document).encode()
    for member in members(row, 0, len(row)):
        assert (
            0 <= member.start < member.value_start <= member.value_stop <= member.stop <= len(row)
        )
        text = row[member.start : member.stop]
        assert text.lstrip(b"\\").startswith(b'"')
        assert not text.endswith(b",")


@settings(deadline=None)
@given(_document, st.integers(0, 200))
def test_a_row_that_is_cut_off_gives_members_within_it(document: Any, at: int) -> None:
    row = json.dumps(document).encode()[:at]
    for member in members(row, 0, len(row)):
        assert 0 <= member.start <= member.value_start <= len(row)
        assert member.stop <= len(row)


@settings(deadline=None)
@given(st.text('{}[]",:\\ an1\x1e', max_size=30))
def test_what_is_no_json_ends_without_an_error(row: str) -> None:
    for member in members(row.encode(), 0, len(row)):
        assert 0 <= member.start <= member.stop <= len(row)


@pytest.mark.parametrize(
    "row",
    [b"{}", b"[]", b"", b"{", b"[", b'{"', b'{"a', b'{"a"', b'{"a"}', b"[[[]", b"}{", b'"', b"\\"],
)
def test_rows_without_members_have_none(row: bytes) -> None:
    assert not list(members(row, 0, len(row)))


@pytest.mark.parametrize(
    "piece",
    [b"{", b"[", b'{"a":', b"\\", b"{}", b"[]", b'{"a":"{', b'"', b",", b"[1,", b'\\"', b'{"a":\\']
)  # fmt: skip
def test_time_grows_with_the_row_whatever_is_in_it(piece: bytes) -> None:
    def seconds(size: int) -> float:
        row = b'{"a":' + piece * (size // len(piece))
        began = time.process_time()
        list(members(row, 0, len(row)))
        return time.process_time() - began

    seconds(1_000)
    # Twice the bytes take twice the time; what is quadratic takes sixteen times as long here.
    assert seconds(32_000) < 9 * max(seconds(8_000), 0.004)
