from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.bounds.masking import masked

CASES = [
    ('{app="shop", mail=~"jane@.*"} |= "Jane Doe"', '{app="…", mail=~"…"} |= "…"'),
    ('{a="x"} |~ `ja.e` | json # Jane', '{a="…"} |~ `…` | json …'),
    (r'{a="say \"Jane\""} != "b"', '{a="…"} != "…"'),
    (r"{a=`C:\`} |= `Jane`", "{a=`…`…`"),
    ("rate(http_total{path='/jane'}[5m]) > 500", "rate(http_total{path='…'}[5m]) > 500"),
    ("sum by (le) (x) offset 1h", "sum by (le) (x) offset 1h"),
    ("SELECT * FROM logs WHERE a = 'O''Jane' -- Jane", "SELECT * FROM logs WHERE a = '…''…' …"),
    ("SELECT /* Jane */ 1, $$Jane$$, $a$Jane$a$", "SELECT … 1, …, …"),
    (r"SELECT 'a\'Jane', `b\`Jane`", "SELECT '…', `…`"),
    ('{a="unfinished Jane', '{a="…'),
    ('{a="unfinished Jane\\', '{a="…'),
    ("{a='", "{a='"),
    ('{a=""} |= ``', '{a=""} |= ``'),
    ("card = 4111 1111 1111 1111 and status = 404", "card = … and status = 404"),
    ("x > 1234567 and y < 123456", "x > … and y < 123456"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_what_a_query_looks_for_is_not_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


quoted = st.builds(
    lambda text, quote: (
        quote + text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'") + quote
    ),
    st.text("ab \\\"'#-/*$é\n"),
    st.sampled_from(['"', "'"]),
)
raw = st.text("ab \\\"'#-/*$é\n").map(lambda text: f"`{text}`")
words = st.sampled_from(["{x=", "} |= ", " OR y = ", "rate(", "[5m])", " , "])


@given(st.lists(st.one_of(words, quoted, raw)))
def test_no_string_is_shown_however_it_is_written(parts: list[str]) -> None:
    shown = masked("".join(parts))
    assert not {"a", "b", "é"} & set(shown.replace("rate(", "").replace("[5m])", ""))


@given(st.text("ab\"'`\\#-/*$1 \n"))
def test_any_text_is_masked_and_masking_again_changes_nothing_more(text: str) -> None:
    once = masked(text)
    assert len(once) <= 3 * len(text)
    assert masked(once).count("a") <= once.count("a")
