"""In which language an expression is, and where a wrong one is wrong."""

from __future__ import annotations

import pytest

from tailrace.alerts.rule import Language
from tailrace.alerts.rules.language import language_of, located
from tailrace.core.errors import QueryError


@pytest.mark.parametrize(
    ("expr", "language"),
    [
        ("up == 0", "promql"),
        ("1 > bool 0", "promql"),
        ("vector(1)", "promql"),
        ("sum(rate(requests_total[5m])) > 3", "promql"),
        ('rate({__name__=~"a.*"}[5m])', "promql"),
        ('{job="a"} > 0', "promql"),
        ('count_over_time({"requests.total"}[5m])', "promql"),
        ('sum(rate({job="a"}[1m])) / sum(rate(up[1m]))', "promql"),
        ('sum_over_time({job="a"}[5m])', "promql"),
        ('count_over_time({app="x"}[5m])', "logql"),
        ('sum(rate({job="a"}[1m]))', "logql"),
        ('rate({app="a"} |= "x" [1m])', "logql"),
        ('sum(bytes_rate({app="a"}[1m]))', "logql"),
        ('sum_over_time({app="a"} | unwrap took [5m])', "logql"),
        ("SELECT count() FROM logs", "sql"),
        ("  with a as (select 1) select * from a", "sql"),
        ("select > 5", "promql"),
    ],
)
def test_an_expression_is_in_its_language(expr: str, language: Language) -> None:
    assert language_of(expr) == language


@pytest.mark.parametrize("default", ["promql", "logql"])
def test_what_is_in_two_languages_is_in_the_one_that_is_told(default: Language) -> None:
    assert language_of('rate({app="a"}[5m])', default) == default
    assert language_of("vector(1) > 0", default) == default


def test_what_is_in_one_language_is_in_that_whatever_is_told() -> None:
    assert language_of("up == 0", "logql") == "promql"
    assert language_of('rate({app="a"} |= "x" [5m])', "promql") == "logql"
    assert language_of('rate({app="a"}[5m])', "sql") == "logql"


@pytest.mark.parametrize(
    ("expr", "offset", "words"),
    [
        ("sum(rate(x[5m])", 15, "expected ) to close sum, found the end"),
        ("up =\n = 0", 3, "unexpected '='"),
        ('rate({app="a"} |= "x" [5x])', 23, "expected a duration after ["),
        ('{app="a"} |= "x"', 0, "a rule needs numbers, such as rate({...}[1m]), not lines"),
        ('rate({app="a"}[5m])[5m:] ', 0, "a rule needs a vector or a number, not a range"),
        ("'text'", 0, "a rule needs a vector or a number, not a string"),
        ("SELECT count()\nFROM logss", 20, "there is no table 'logss'"),
    ],
)
def test_a_mistake_has_its_place(expr: str, offset: int, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        language_of(expr)
    where, said = located(caught.value, expr)
    assert said.startswith(words)
    assert where == offset
    assert " at 1:" not in said
