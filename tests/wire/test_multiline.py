"""The laws of a Joiner: traces become one event each, wherever the bytes are cut, and nothing else
does."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.frame import Hints
from tailrace.wire.expressions import compiled, stays_in_line
from tailrace.wire.lines import decode
from tailrace.wire.multiline import JOIN, Joiner, joiner_of

TRACES = sorted((Path(__file__).parent / "traces").glob("*.txt"))
AUTO = joiner_of("auto")
START = joiner_of("start", r"\d{4}-\d\d-\d\d|[A-Z]+:")


def marked(path: Path) -> tuple[bytes, list[bytes]]:
    """The text of a file of `traces`, and its events: "= " begins one, "| " goes on."""
    lines = path.read_bytes().splitlines(keepends=True)
    assert {line[:2] for line in lines} <= {b"= ", b"| "}
    text = b"".join(line[2:] for line in lines)
    events = b"".join((b"\0" if line[:1] == b"=" else b"") + line[2:] for line in lines)
    return text, events.split(b"\0")[1:]


def lines_of(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def events(joiner: Joiner, data: bytes) -> list[bytes]:
    joined, count = joiner.join(data)
    assert len(joined) == len(data)
    found = lines_of(joined)
    assert count == len(found) == joiner.join(data, data.count(b"\n"))[1]
    return [event.replace(JOIN, b"\n") for event in found]


def fed(joiner: Joiner, pieces: list[bytes]) -> list[bytes]:
    """The events of a flow that arrives in these pieces of whole lines."""
    found: list[bytes] = []
    waiting = b""
    for piece in pieces:
        waiting += piece
        size = joiner.complete(waiting)
        assert waiting[:size].endswith(b"\n") or not size
        found += events(joiner, waiting[:size])
        waiting = waiting[size:]
    return found + events(joiner, waiting)


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_each_trace_is_one_event_with_its_log_line(path: Path) -> None:
    text, expected = marked(path)
    assert events(AUTO, text) == expected


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_traces_with_carriage_returns_are_the_same_events(path: Path) -> None:
    text, expected = marked(path)
    crlf = [event.replace(b"\n", b"\r\n") for event in expected]
    assert events(AUTO, text.replace(b"\n", b"\r\n")) == crlf


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_mode_of_a_runtime_knows_its_own_traces(path: Path) -> None:
    text, expected = marked(path)
    runtime = path.stem.partition("_")[0]
    mode = joiner_of("auto" if runtime == "ordinary" else runtime)
    assert events(mode, text) == expected


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_lines_that_come_one_by_one_are_the_same_events(path: Path) -> None:
    text, expected = marked(path)
    assert fed(AUTO, text.splitlines(keepends=True)) == expected


def test_a_mode_joins_no_traces_of_others() -> None:
    text, _ = marked(next(path for path in TRACES if path.stem == "python"))
    assert joiner_of("java").join(text) == (text, text.count(b"\n"))


_LINES = st.one_of(
    *(st.sampled_from(marked(path)[0].splitlines(keepends=True)) for path in TRACES),
    st.sampled_from([b"\n", b"2026-11-24 INFO x\n", b" x\n", b"\tx\n", b"x\x1ey\n", b"}\n"]),
)
_TEXTS = st.lists(
    st.one_of(
        st.sampled_from([marked(path)[0] for path in TRACES]).flatmap(
            lambda text: st.tuples(st.integers(0, 60), st.integers(1, 30)).map(
                lambda part: b"".join(text.splitlines(keepends=True)[part[0] :][: part[1]])
            )
        ),
        st.lists(_LINES, max_size=8).map(b"".join),
    ),
    max_size=6,
).map(b"".join)


@given(_TEXTS, st.lists(st.integers(0, 200)), st.sampled_from([AUTO, START]))
def test_cuts_anywhere_change_no_event(text: bytes, cuts: list[int], joiner: Joiner) -> None:
    lines = lines_of(text)
    bounds = [0, *sorted({cut for cut in cuts if cut < len(lines)}), len(lines)]
    pieces = [b"".join(lines[a:b]) for a, b in pairwise(bounds)]
    whole = events(joiner, text)
    assert b"".join(whole) == text.replace(JOIN, b" ")
    assert fed(joiner, pieces) == whole


@pytest.mark.parametrize("joiner", [AUTO, START], ids=["auto", "start"])
@pytest.mark.parametrize(
    ("size", "frames", "count"),
    [(700, 1_000, 4), (limits.LINE_BYTES + 9, 3, 5)],
    ids=["many", "long"],
)
def test_an_event_ends_at_the_longest_line(
    joiner: Joiner, size: int, frames: int, count: int
) -> None:
    frame = b"\tat a.b(" + b"x" * size + b")\n"
    text = b"2026-11-24 ERROR boom\n" + frame * frames + b"2026-11-24 b\n"
    found = events(joiner, text)
    assert b"".join(found) == text
    assert len(found) == count
    assert all(event.count(b"\n") == 1 or len(event) <= limits.LINE_BYTES + 1 for event in found)
    lines = lines_of(text)
    for step in (1, 300) if frames < 10 else (300,):
        pieces = [b"".join(lines[n : n + step]) for n in range(0, len(lines), step)]
        assert fed(joiner, pieces) == found


@pytest.mark.parametrize("joiner", [AUTO, START], ids=["auto", "start"])
def test_what_waits_is_never_more_than_a_long_event(joiner: Joiner) -> None:
    waiting = b"2026-11-24 ERROR boom\n"
    for _ in range(900):
        waiting += b"\tat a.b(" + b"x" * 700 + b")\n"
        waiting = waiting[joiner.complete(waiting) :]
        assert len(waiting) < limits.LINE_BYTES + 1_000


def test_lines_without_a_trace_are_the_same_object_and_wait_only_for_the_last() -> None:
    text = b"2026-11-24 INFO a\n2026-11-24 INFO b\n"
    assert AUTO.join(text)[0] is text
    assert START.join(text)[0] is text
    assert AUTO.complete(text) == START.complete(text) == len(text) // 2
    assert AUTO.join(b"") == START.join(b"") == (b"", 0)
    assert AUTO.complete(b"") == START.complete(b"") == 0


def test_joined_lines_are_repaired_as_others_and_keep_their_blank_lines() -> None:
    text = (
        b'\n\nERROR:root:msg\r\nTraceback (most recent call last):\r\n  File "x", line 1, in f\r\n'
    )
    text += (
        b"KeyError: 1\r\n\r\nDuring handling of the above exception, another exception occurred:"
    )
    text += b'\r\n\r\nTraceback (most recent call last):\r\n  File "x", line 2, in g\r\nE: \xff\r\n'
    joined, _ = AUTO.join(text)
    content = decode(joined, newline=JOIN.decode())
    data, repaired = content.data, content.repaired
    assert content.hints == Hints(newline="\x1e")
    assert repaired == {"utf8": 1, "blank": 2}
    assert data.count(b"\n") == 1
    assert data.count(JOIN) == 9
    assert JOIN * 2 in data
    assert b"\r" not in data


@pytest.mark.parametrize(
    ("mode", "start", "words"),
    [
        ("auto", "x", "is for"),
        ("perl", "", "none of"),
        ("start", "", "needs"),
        ("start", "(", "wrong"),
        ("start", "x*", "empty"),
        ("start", "a" * 1_001, "longer"),
        ("start", "(a+)+b", "repeats"),
        ("start", r"(?:\s*|x)*y", "repeats"),
        ("start", "\ud800", "wrong"),
    ],
)
def test_a_bad_mode_or_expression_says_what_is_wrong(mode: str, start: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        joiner_of(mode, start)


def test_expressions_that_are_quick_are_taken() -> None:
    for start in (r"^\d{4}-\d\d-\d\d[ T]", r"(?i)(?:debug|info) ", r"(?:\d{1,3}\.){3}\d+", "é+"):
        joiner_of("start", start)


@pytest.mark.parametrize(
    ("start", "stays"),
    [
        (r"^\d{4}-[01]\d|(?:INFO|[A-Z]+): .*x?", True),
        (r"a\s", False),
        ("[^a]b", False),
        ("[^ab]c", False),
        (r"a[\t-z]", False),
        ("a\n", False),
        ("(?i)a", False),
        ("(?s:a.)", False),
        ("a(?=b)", False),
        (r"a\W", False),
        ("a$", False),
    ],
)
def test_only_an_expression_within_its_line_is_looked_for_in_whole_buffers(
    start: str, stays: bool
) -> None:
    assert stays_in_line(compiled(start)) is stays
    for text in (b"a\nb\na\n", b"A\n\nzb\nINFO: \n2026-11\n", b"", b"\n"):
        lines = lines_of(text)
        expected = [line for n, line in enumerate(lines) if n and not _begins(start, line)]
        joined, count = joiner_of("start", start).join(text)
        assert count == len(lines) - len(expected) == joined.count(b"\n")


def _begins(start: str, line: bytes) -> bool:
    return re.compile(start.encode()).match(line.removesuffix(b"\n")) is not None


def test_a_long_line_is_looked_at_as_far_as_others() -> None:
    joiner = joiner_of("start", "a*b")
    text = b"b\n" + b"a" * 2_000 + b"b\nab\n"
    assert joiner.join(text)[1] == 2
    assert joiner.complete(text) == len(text) - 3
