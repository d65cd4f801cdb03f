"""Stages that are wrong are refused with their place, before any row is read."""

from __future__ import annotations

import pytest

from tailrace.core.errors import QueryError
from tailrace.core.limits import TEMPLATE_DEPTH
from tailrace.query.logql.ast import (
    Assignment,
    Chosen,
    Comparison,
    Drop,
    Extraction,
    JsonParser,
    Keep,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    Needle,
    PatternParser,
    RegexpParser,
    Stage,
    Unwrap,
)
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.pipeline.unwrap import Unwrapper

AT = 17


def line(op: str, value: str, is_ip: bool = False) -> LineFilter:
    return LineFilter(op, (Needle(value, is_ip),), AT)


def compare(op: str, value: str, kind: str) -> LabelFilter:
    return LabelFilter(Comparison("a", op, value, kind, AT))  # type: ignore[arg-type]


def path(text: str) -> JsonParser:
    return JsonParser((Extraction("a", text),), AT)


def template(text: str) -> LineFormat:
    return LineFormat(text, AT)


STAGES: list[tuple[Stage, str]] = [
    (line("|~", "("), "not valid RE2"),
    (line("!~", "a(?=b)"), "not valid RE2"),
    (line("|~", r"(a)\1"), "not valid RE2"),
    (line("|~", "a{1001}"), "not valid RE2"),
    (line("|>", "<_><_>"), "nothing between"),
    (line("|>", "a <name>"), "no use for the name"),
    (line("|~", "10.0.0.1", True), "ip() goes with"),
    (line("|>", "10.0.0.1", True), "ip() goes with"),
    (line("|=", "10.0.0", True), "no address"),
    (line("|=", "10.0.0.9-10.0.0.1", True), "lower to a higher"),
    (line("|=", "10.0.0.1-::1", True), "lower to a higher"),
    (line("|=", "10.0.0.0/33", True), "no address"),
    (line("|=", "fe80::1%eth0", True), "no address"),
    (compare("=~", "(", "string"), "not valid RE2"),
    (compare("=", "nowhere", "ip"), "no address"),
    (compare(">", "10.0.0.1", "ip"), "ip() goes with"),
    (RegexpParser("(a)", AT), "at least one group"),
    (RegexpParser("(?P<a>", AT), "not valid RE2"),
    (RegexpParser("(?P<a>x)(?P<a>y)", AT), "alike"),
    (PatternParser("plain", AT), "at least one capture"),
    (PatternParser("<_> <_>", AT), "at least one capture"),
    (PatternParser("<a><b>", AT), "nothing between"),
    (PatternParser("<a> <a>", AT), "alike"),
    (path(""), "no path"),
    (path("a..b"), "no path"),
    (path("a."), "no path"),
    (path(".a"), "no path"),
    (path("a[x]"), "no path"),
    (path("a[-1]"), "no path"),
    (path('a["b'), "no path"),
    (path("a.[0]"), "no path"),
    (path("a b"), "no path"),
    (Drop((Chosen("a", "=~", "(", AT),)), "not valid RE2"),
    (Keep((Chosen("a", "=~", "(", AT),)), "not valid RE2"),
    (LabelFormat((Assignment("__error__", "a", False),), AT), "cannot be set"),
    (LabelFormat((Assignment("a", "b", False), Assignment("a", "c", True)), AT), "twice"),
    (LabelFormat((Assignment("a", "{{", True),), AT), "template"),
    (template("{{"), "{{ without }}"),
    (template("{{.a"), "{{ without }}"),
    (template("{{}}"), "a value is missing"),
    (template("{{.a | }}"), "a value is missing"),
    (template("{{.a | 5}}"), "only a function can follow"),
    (template("{{.a .b}}"), "only a function takes arguments"),
    (template("{{nothing .a}}"), "not defined (character 3"),
    (template("{{upper}}"), "takes 1 arguments, not 0"),
    (template("{{upper .a .b}}"), "takes 1 arguments, not 2"),
    (template("{{and}}"), "needs an argument"),
    (template("{{now .a}}"), "takes no arguments"),
    (template("{{$x}}"), "undefined variable"),
    (template("{{if true}}{{$x := 1}}{{end}}{{$x}}"), "undefined variable"),
    (template("{{$x = 1}}"), "undefined variable"),
    (template("{{$ := 1}}"), "cannot be set"),
    (template("{{if .a}}"), "without {{end}}"),
    (template("{{end}}"), "unexpected {{end}}"),
    (template("{{else}}"), "unexpected {{else}}"),
    (template("{{if .a}}{{else}}{{else}}{{end}}"), "expected {{end}}"),
    (template("{{if .a}}{{else with .b}}{{end}}"), "after else"),
    (template("{{break}}"), "unexpected break"),
    (template("{{if}}x{{end}}"), "a value is missing"),
    (template("{{define `x`}}{{end}}"), "not supported"),
    (template("{{template `x`}}"), "not supported"),
    (template('{{"open}}'), "never ends"),
    (template(r'{{"\q"}}'), "unknown escape"),
    (template("{{'ab'}}"), "a character such as"),
    (template("{{.a-b}}"), "unexpected '-'"),
    (template("{{(.a}}"), "( without )"),
    (template("{{.a)}}"), "unexpected ')'"),
    (template("{{1x}}"), "a space is missing"),
    (template("{{99999999999999999999}}"), "too large"),
    (template("{{nil}}"), "nil is no command"),
    (template("{{" + "(" * (TEMPLATE_DEPTH + 1) + "1" + ")" * (TEMPLATE_DEPTH + 1) + "}}"), "more"),
    (template("{{if 1}}" * 40 + "{{end}}" * 40), "nested more than"),
    (template("{{if 1}}" + "{{else if 1}}" * 500 + "{{end}}"), "more than"),
]


@pytest.mark.parametrize(("stage", "message"), STAGES, ids=lambda value: str(value)[:60])
def test_a_wrong_stage_is_refused_with_its_place(stage: Stage, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        Pipeline([stage])
    assert message in str(caught.value)
    assert f"in the stage at character {AT + 1}" in str(caught.value)
    assert caught.value.position == AT


@pytest.mark.parametrize(("stage", "message"), STAGES[-8:], ids=lambda value: str(value)[:40])
def test_it_is_refused_alike_where_only_some_labels_are_wanted(stage: Stage, message: str) -> None:
    with pytest.raises(QueryError, match=r"in the stage"):
        Unwrapper([stage], Unwrap("a"), frozenset({"b"}))
    assert message
