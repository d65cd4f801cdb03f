"""The laws of a Content: text by offset, whatever holds it. Add one to `FORMS`."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from tailrace.agent.files.contents import Content, open_content

# Longer than what is kept of a compressed text behind a place.
TEXT = b"".join(b"row %d says what it has to say\n" % n for n in range(20_000))
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "a.log": bytes,
    "a.log.gz": gzip.compress,
    "a.log.zst": zstandard.compress,
}


@pytest.fixture(params=FORMS)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Content]:
    path = tmp_path / request.param
    path.write_bytes(FORMS[request.param](TEXT))
    found = open_content(str(path))
    yield found
    found.close()


def test_the_text_at_an_offset_is_given_in_any_order(content: Content) -> None:
    for offset in (0, 300_000, 100, 500_000, 299_999):
        assert content.read_at(1_000, offset) == TEXT[offset : offset + 1_000]


def test_fewer_bytes_come_only_at_the_end_and_none_behind_it(content: Content) -> None:
    assert content.read_at(100, len(TEXT) - 30) == TEXT[-30:]
    assert content.read_at(100, len(TEXT)) == b""
    assert content.read_at(100, len(TEXT) + 9) == b""


@pytest.mark.parametrize("held", [0, 10, 5_000])
def test_a_filled_buffer_holds_what_is_there_and_nothing_of_before(
    content: Content, held: int
) -> None:
    buffer = bytearray(b"x" * held)
    content.fill(buffer, 1_000, 77)
    assert buffer == TEXT[77:1_077]
    content.fill(buffer, 1_000, len(TEXT) - 30)
    assert buffer == TEXT[-30:]


def test_the_size_is_that_of_the_text_or_larger_until_it_was_read(content: Content) -> None:
    assert content.size(content.status()) >= len(TEXT)
    content.read_at(len(TEXT) + 1, 0)
    assert content.size(content.status()) == len(TEXT)


def test_what_is_closed_raises_oserror(tmp_path: Path) -> None:
    for name, form in FORMS.items():
        path = tmp_path / name
        path.write_bytes(form(TEXT))
        found = open_content(str(path))
        found.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            found.read_at(10, 0)
