"""Statements changed at random: never a 500, never a row of another tenant."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sql_hostile import CONTAINED, MARKER, REFUSED
from sql_useful import USEFUL
from tests.examples import examples

WORDS = re.compile(r"\s+|\w+|'[^']*'|.", re.DOTALL)
SEEDS = [WORDS.findall(text) for text in (*(query for query, _ in USEFUL), *CONTAINED, *REFUSED)]
# What a mutation may put between the words.
SPICE = [
    "(", ")", ",", ".", "'", '"', "`", "--", "/*", "*/", ";", "\\", "{", "}", "[", "]", "->",
    "::", "SELECT", "FROM", "WHERE", "IN", "NOT", "WITH", "AS", "UNION ALL", "JOIN", "ON", "OVER",
    "FINAL", "system", "default", "tables", "frames", "samples", "Tenant", "__v", "file",
    "numbers", "merge", "SETTINGS", "readonly", "=", "0", "FORMAT", "INTO OUTFILE", "$$", "x'41'",
    "\0", "\n", "\u202e", "arrayMap", "hostName", "lambda", "DISTINCT", "EXCEPT", "APPLY",
    "COLUMNS", "*", "1e999", "NaN", "{p0:String}", "%s", "%(p0)s", "INTERVAL", "GROUP BY",
    "ORDER BY", "LIMIT", "BY", "EXISTS",
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> str:
    words = list(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(words)))
        match draw(st.sampled_from(("insert", "delete", "swap", "graft"))):
            case "insert":
                words.insert(place, f" {draw(st.sampled_from(SPICE))} ")
            case "delete":
                del words[place : place + draw(st.integers(1, 3))]
            case "swap" if words:
                other = draw(st.integers(0, len(words) - 1))
                place = min(place, len(words) - 1)
                words[place], words[other] = words[other], words[place]
            case _:
                piece = draw(st.sampled_from(SEEDS))
                start = draw(st.integers(0, len(piece)))
                words[place:place] = piece[start : start + draw(st.integers(1, 12))]
    return "".join(words)


@settings(
    max_examples=examples(40),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mutants())
def test_no_mutant_fails_the_server_or_sees_another_tenant(asker: Any, query: str) -> None:
    answer = asker.ask(query, "POST", format="ndjson")
    assert answer.status_code in (200, 400), (query, answer.text)
    # A refusal may repeat the query, which may have the marker as its own text.
    assert MARKER not in answer.text or MARKER in query


@settings(
    max_examples=examples(40),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=60))
def test_any_text_is_a_text_and_nothing_else(asker: Any, text: str) -> None:
    """Whatever stands between quotes comes back as it was."""
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        return
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert asker.rows(f"SELECT '{quoted}' AS x, length(x) > 0 AS y") == [[text, int(text != "")]]
