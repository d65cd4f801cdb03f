"""Lines are repaired, counted and split without losing any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailrace.wire.lines import long_lines, repair
from tailrace.wire.split import split

messy = st.lists(
    st.sampled_from([b"a", b"\n", b"\r\n", b"\0", b"\xff", "é".encode(), "€".encode(), b"x" * 90])
).map(b"".join)


def test_clean_lines_are_the_same_object() -> None:
    data = "clean é\nlines\n".encode()
    assert repair(data) == (data, {})
    assert repair(data)[0] is data


def test_each_repair_is_counted() -> None:
    data, repaired = repair(b"a\0b\r\n\n\nc\xffd\xc3(\n")
    assert data.decode() == "a\ufffdb\nc\ufffdd\ufffd(\n"
    assert repaired == {"nul": 1, "utf8": 2, "blank": 2}


@given(messy, st.integers(70, 200))
def test_repaired_lines_are_valid_and_stay_so(data: bytes, line_bytes: int) -> None:
    clean, repaired = repair(data, line_bytes)
    clean.decode()
    assert b"\0" not in clean
    assert b"\n\n" not in clean
    assert all(len(line) <= line_bytes for line in clean.split(b"\n"))
    assert repair(clean, line_bytes) == (clean, {})
    kept = [line for line in data.replace(b"\r\n", b"\n").split(b"\n") if line]
    assert len([line for line in clean.split(b"\n") if line]) == len(kept)
    assert repaired.get("nul", 0) == data.count(b"\0")


@given(messy, st.integers(1, 100))
def test_long_lines_are_those_that_a_loop_finds(data: bytes, limit: int) -> None:
    expected, position = [], 0
    for line in data.split(b"\n"):
        if len(line) > limit:
            expected.append((position, position + len(line)))
        position += len(line) + 1
    assert long_lines(data, limit) == expected


@given(messy, st.integers(1, 300), st.integers(1, 5))
def test_pieces_are_whole_lines_within_the_limits(data: bytes, size: int, rows: int) -> None:
    pieces = split(data, size, rows)
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece
        assert piece.rstrip(b"\n").count(b"\n") < rows or piece.count(b"\n") <= rows
        assert len(piece) <= size or b"\n" not in piece[:-1]
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
