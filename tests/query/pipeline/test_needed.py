"""Labels that a later stage reads are made although the caller does not want them."""

from __future__ import annotations

import pytest
from tests.query.pipeline.case import either, label_format, line_format, rename, text, where

from tailrace.query.logql.ast import (
    Chosen,
    Comparison,
    Drop,
    JsonParser,
    Keep,
    LabelFilter,
    LogfmtParser,
    Parser,
    Stage,
)
from tailrace.query.pipeline.needed import needed
from tailrace.query.pipeline.pipeline import Pipeline

LINES = {JsonParser(): '{"a":"1","b":"2","c":"3","w":"4"}', LogfmtParser(): "a=1 b=2 c=3 w=4"}
WANTED = frozenset({"w", "x"})
READING: list[tuple[tuple[Stage, ...], set[str] | None]] = [
    ((), set()),
    ((where(text("a", "=", "1")),), {"a"}),
    ((LabelFilter(Comparison("a", ">", 0.0, "number")),), {"a"}),
    ((either(text("a", "=", "9"), text("b", "=", "2")),), {"a", "b"}),
    ((where(text("a", "=", "1"), text("b", "=", "2"), text("c", "=", "3")),), {"a", "b", "c"}),
    ((line_format("{{.a}} {{if .b}}{{.c | upper}}{{end}}"),), {"a", "b", "c"}),
    ((line_format("{{$.a}}"),), {"a"}),
    ((line_format("{{.}}"),), None),
    ((line_format("{{range $k, $v := $}}{{$k}}{{end}}"),), None),
    ((line_format("{{__line__}}"),), set()),
    ((label_format(x="{{(printf `%s` .a)}}"),), {"a"}),
    ((rename(x="a"),), {"a"}),
    ((rename(y="a"), rename(x="y")), {"a", "y"}),
    ((Drop((Chosen("w", "=", "9"),)),), set()),
    ((Keep((Chosen("w"), Chosen("a"))),), set()),
    ((label_format(x="{{.y}}"), where(text("b", "=", "2"))), {"b", "y"}),
]


@pytest.mark.parametrize(("stages", "read"), READING, ids=lambda value: str(value)[:50])
def test_what_stages_read_is_known(stages: tuple[Stage, ...], read: set[str] | None) -> None:
    found = needed([JsonParser(), *stages], WANTED)[0]
    assert found == (None if read is None else WANTED | read)


@pytest.mark.parametrize(("stages", "read"), READING, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("parser", LINES)
def test_stages_do_the_same_where_some_labels_are_wanted(
    parser: Parser, stages: tuple[Stage, ...], read: set[str] | None
) -> None:
    everything = Pipeline([parser, *stages]).process(0, LINES[parser], {}, {})
    some = Pipeline([parser, *stages], WANTED).process(0, LINES[parser], {}, {})
    assert everything is not None
    assert some is not None
    assert some.line == everything.line
    for name in WANTED:
        assert some.labels.find(name) == everything.labels.find(name)
    if read is not None:
        assert set(some.labels.parsed()) <= WANTED | read


@pytest.mark.parametrize(
    "line",
    [
        r'{"\u0061.b":1,"z":2}',
        r'{"\u0061":{"b":1}}',
        '{"a":{"b":1}}',
        '{"a.b":1}',
        '{" a_b ":1}',
        '{"a_b":1}',
        '{"z":{"a_b":2},"a-b":1}',
        '{"a_b":1,"a_b":2}',
    ],
)
def test_a_wanted_label_is_found_however_the_line_spells_it(line: str) -> None:
    row = Pipeline([JsonParser()], frozenset({"a_b"})).process(0, line, {}, {})
    assert row is not None
    assert row.labels.get("a_b") == "1"
