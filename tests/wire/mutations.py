"""Valid bodies, broken: bytes changed, removed, doubled, cut off and joined with other bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

# What is put where it does not belong: the limits of numbers, of nesting and of text.
TOKENS = (
    b"", b"\0", b"\xff", b"\n", b"\r\n", b'"', b"\\", b"{", b"}", b"[" * 2000, b'{"a":' * 2000,
    b"null", b"true", b"-1", b"1e999", b"NaN", b"18446744073709551616", b"9" * 5000,
    b'"\\ud800"', b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff" * 9 + b"\x01", b"\x0a\x00" * 300,
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64, 10**400, 1.5, 1e308, "", "x", "\0", "\ud800", "9" * 5000,
    "-9223372036854775809", "1e999", [], {}, [[]], {"": ""}, [None],
    {"a": {"b": [1, {"c": 10**30}]}},
)  # fmt: skip


def replacements(data: bytes) -> Iterator[bytes]:
    """Of JSON: each value replaced by each odd one. Of NDJSON: in its first line."""
    head, newline, rest = data.partition(b"\n")
    for text, after in ((data, b""), (head, newline + rest)):
        try:
            tree = json.loads(text)
        except ValueError:
            continue
        # Written with escapes: a lone surrogate arrives as a client would send it.
        yield from (json.dumps(other).encode() + after for other in _replaced(tree))
        return


def _replaced(tree: Any) -> Iterator[Any]:
    yield from ODD
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from ({**tree, key: other} for other in _replaced(value))
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from ([*tree[:place], other, *tree[place + 1 :]] for other in _replaced(value))


@st.composite
def mutated(draw: st.DrawFn, examples: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """One of `examples` after one to four changes; `others` are what it may be joined with."""
    data = draw(st.sampled_from(examples))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(_changed(data, others))
    return data


@st.composite
def _changed(draw: st.DrawFn, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data` after one change somewhere."""
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
    other = draw(st.sampled_from(others))
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: data[:start] + draw(st.binary(min_size=1, max_size=4)) + data[start + 1 :],
        lambda: data[:start] + data[end:],
        lambda: data[:end] + data[start:],
        lambda: data[:end],
        lambda: data[:start] + draw(st.sampled_from(TOKENS)) + data[start:],
        lambda: data[:start] + draw(st.sampled_from(TOKENS)) + data[end:],
        lambda: data[:start] + other[draw(st.integers(0, len(other))) :],
    )
    return draw(st.sampled_from(changes))()
