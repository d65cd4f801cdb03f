"""Folding writes separators and digits in ASCII, and knows where in the row each of them was."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.guard.folding import Folded

from .cleaning import cleaned, kinds
from .samples import CARD

_piece = st.one_of(
    st.text("abcXYZ 0123456789-.,:\"'{}[]=", min_size=1, max_size=6),
    st.sampled_from(
        ["\\n", "\\\\n", "\\u0034", "\\u00a0", "\\U0041", "\\x41", "\\\\u0040", "\\u0022", "\\",
         "%", "%20", "%2520", "%E2%80%AF", "%C2%A0", "%E2", "%40%41", "&nbsp;", "&#52;", "&#x34;",
         "&;", "\u00a0", "\u202f", "\u2011", "\u200b", "\ufeff", "\uff14", "\u0664", "\U0001d7d2",
         "é", "\x1e", "\\ud83d\\ude00", "&amp;", "&unknown;", "&#99999999;", "\\u12", "%2", "%zz",
         "😀"]
    ),
)  # fmt: skip
_row = st.lists(_piece, max_size=12).map(lambda pieces: "".join(pieces).encode())


@settings(deadline=None)
@given(_row)
def test_places_in_the_fold_are_places_in_the_row_in_the_same_order(row: bytes) -> None:
    fold = Folded(row)
    places = [fold.raw(at) for at in range(len(fold.text) + 1)]
    assert places == sorted(places)
    assert places[-1] == len(row)
    assert places[0] == 0 or not fold.text[:1] or fold.raw(0) <= len(row)
    assert all(0 <= place <= len(row) for place in places)


@settings(deadline=None)
@given(_row)
def test_what_is_not_written_otherwise_is_the_same_text(row: bytes) -> None:
    fold = Folded(row)
    assert fold.same == (fold.text == row)
    for at in range(len(fold.text)):
        letter = fold.text[at] >= 0x80  # of several bytes, where an escape of it stood
        if not letter and fold.raw(at + 1) - fold.raw(at) == 1:
            byte = row[fold.raw(at) : fold.raw(at) + 1]
            assert fold.text[at : at + 1] == byte or byte == b"\x1e"


@settings(deadline=None)
@given(_row)
def test_a_fold_holds_no_newline_and_folds_to_no_quote(row: bytes) -> None:
    fold = Folded(row)
    assert b"\n" not in fold.text
    assert fold.text.count(b'"') <= row.count(b'"')
    assert len(fold.text) <= len(row)


@settings(deadline=None)
@given(st.binary(max_size=60).filter(lambda row: b"\n" not in row))
def test_arbitrary_bytes_are_folded(row: bytes) -> None:
    fold = Folded(row)
    assert fold.raw(len(fold.text)) == len(row)


SPACES = "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u205f\u3000"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
NOTHINGS = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def written(separator: str, number: bytes = CARD) -> str:
    text = number.decode()
    return separator.join(text[at : at + 4] for at in range(0, 16, 4))


@pytest.mark.parametrize(
    "separator", [*SPACES, *DASHES, *NOTHINGS], ids=lambda it: f"U+{ord(it):04X}"
)
@pytest.mark.parametrize(
    "wrote",
    [
        lambda text: text,
        lambda text: json.dumps(text),
        lambda text: json.dumps({"body": json.dumps({"x": text})}),
        lambda text: quote(text),
        lambda text: quote(quote(text)),
    ],
    ids=["plain", "json", "json-in-json", "url", "url-in-url"],
)
def test_a_card_is_found_whatever_separates_its_digits(
    separator: str, wrote: Callable[[str], str]
) -> None:
    assert kinds(b"paid " + wrote(written(separator)).encode() + b" ok") == {"pan"}


@pytest.mark.parametrize(
    "separator",
    ["\\n", "\\t", "\\r\\n", "\\\\n", "\x1e", "\x1e  ", " \x1e", "-\x1e", "%20", "%2D", "%2520",
     "+", "&nbsp;", "&#160;", "&#xA0;", "&ensp;", "&thinsp;", "&ndash;", "&#8209;", "&#8239;",
     "\\xa0",
     " \u00a0", "\u00a0 ", "\t"],
)  # fmt: skip
def test_a_card_is_found_across_lines_and_escapes(separator: str) -> None:
    row = b'{"body":"paid %b ok"}' % written(separator).encode()
    assert kinds(row) == {"pan"}


# The zeros of scripts whose digits people and phones type.
ZEROS = {
    "Arabic": 0x660, "Persian": 0x6F0, "NKo": 0x7C0, "Devanagari": 0x966, "Bengali": 0x9E6,
    "Gujarati": 0xAE6, "Tamil": 0xBE6, "Telugu": 0xC66, "Kannada": 0xCE6, "Malayalam": 0xD66,
    "Thai": 0xE50, "Lao": 0xED0, "Tibetan": 0xF20, "Myanmar": 0x1040, "Khmer": 0x17E0,
    "full-width": 0xFF10, "bold": 0x1D7CE,
}  # fmt: skip


def in_script(zero: int, text: str = CARD.decode()) -> str:
    return "".join(chr(zero + int(char)) if char.isdigit() else char for char in text)


@pytest.mark.parametrize("script", ZEROS)
@pytest.mark.parametrize("grouping", ["", " ", "-", "\u00a0"], ids=["one", "space", "dash", "nbsp"])
def test_a_card_is_found_in_digits_of_any_script(script: str, grouping: str) -> None:
    number = in_script(ZEROS[script], written(grouping))
    assert kinds(f"card {number} ok".encode()) == {"pan"}


@pytest.mark.parametrize("script", sorted(ZEROS.keys() - {"bold"}))
def test_a_card_is_found_in_escaped_digits_of_any_script(script: str) -> None:
    assert kinds(json.dumps({"card": in_script(ZEROS[script])}).encode()) == {"pan"}


@pytest.mark.parametrize("form", ["\\u0034{}", "4\\u0031{}", "%34{}", "%2534{}", "\\x34{}"])
def test_a_card_is_found_when_one_of_its_digits_is_escaped(form: str) -> None:
    text = CARD.decode()
    tail = text[2:] if form.startswith("4") else text[1:]
    assert kinds(b'{"card":"' + form.format(tail).encode() + b'"}') == {"pan"}


@pytest.mark.parametrize(
    "address",
    ["jane@example.com", "jane%40example.com", "jane%2540example.com", "jane\\u0040example.com",
     "jane&#64;example.com", "jane&commat;example.com", "jane\uff20example.com",
     "jane\\uff20example.com", "jane@example\uff0ecom"],
)  # fmt: skip
def test_an_address_is_found_whatever_its_at_sign_is(address: str) -> None:
    assert kinds(b"to " + address.encode() + b" sent") == {"email"}


@pytest.mark.parametrize(
    "form", [written("\u00a0"), written("\u2011"), in_script(0xFF10), written("")]
)
def test_every_form_of_a_card_has_one_pseudonym(form: str) -> None:
    assert cleaned(b"card " + form.encode()) == cleaned(b"card " + CARD)


@pytest.mark.parametrize(
    "row",
    [
        b"a\\u00e9b \\u0041", b"100%20of 5%25", b"caf\xc3\xa9 12\xc2\xa0345",
        b"C:\\new\\temp 1\\n2",
        b"&amp;&lt;", b"%E4%BD%A0%20", "١٢٣".encode(), b"1\x1e2\x1e3",
    ],
)  # fmt: skip
def test_rows_that_are_folded_and_hold_nothing_stay_as_they_are(row: bytes) -> None:
    assert cleaned(row) == row


@pytest.mark.parametrize(
    "escape", ["\\uff14", "\\u0034", "\\xe9", "\\ud835\\udfd2", "%EF%BC%94", "&#52;"]
)
def test_no_escape_is_cut_in_two(escape: str) -> None:
    row = f'{{"k":"ssn=219-09-9998 {escape}111 1111 1111 1111 x"}}'.encode()
    result = cleaned(row)
    assert escape.encode() in result or escape[:2].encode() not in result
    assert b"219-09-9998" not in result
