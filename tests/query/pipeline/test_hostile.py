"""Inputs that are made to hurt end quickly: the suite would not end otherwise."""

from __future__ import annotations

import pytest
from tests.query.pipeline.case import run

from tailrace.core.limits import PIPELINE_JSON_DEPTH, TEMPLATE_CHARS
from tailrace.query.logql.ast import (
    Comparison,
    Decolorize,
    Extraction,
    JsonParser,
    LabelFilter,
    LineFilter,
    LineFormat,
    LogfmtParser,
    Needle,
    PatternParser,
    RegexpParser,
    Stage,
    Unpack,
)

# Bytes of a line. What is quadratic takes hours, what backtracks does not end.
LONG = 256 * 1024
LINES = {
    "one letter": "a" * LONG,
    "equals": "=" * LONG,
    "quotes": 'a="' * (LONG // 3),
    "quoted pairs": 'a="b"' * (LONG // 5),
    "backslashes": 'a="' + "\\" * LONG,
    "escapes": 'a="' + r"\"" * (LONG // 2),
    "braces": "{" * LONG,
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "objects within reach": '{"a":' * 400 + "1" + "}" * 400,
    "deep arrays": '{"a":' + "[" * 50_000 + "]" * 50_000 + "}",
    "many keys": "{" + ",".join(f'"k{i}":{i}' for i in range(50_000)) + "}",
    "equal keys": "{" + ",".join(['"k":1'] * 50_000) + "}",
    "a long number": '{"a":' + "1" * 50_000 + "}",
    "addresses": "1.2.3.4 " * (LONG // 8),
    "nearly addresses": "1.2.3." * (LONG // 6),
    "colons": ":" * LONG,
    "hexadecimal": "ab:" * (LONG // 3),
    "escape sequences": "\x1b[" * (LONG // 2),
    "titles": "\x1b]" * (LONG // 2),
    "pairs": "k=v " * (LONG // 4),
    "different pairs": " ".join(f"k{i}=v" for i in range(50_000)),
    "controls": "\x00" * LONG,
}
STAGES: list[tuple[Stage, ...]] = [
    (JsonParser(),),
    (JsonParser((Extraction("x", "a.a.a"), Extraction("y", "a[0][0]"))),),
    (LogfmtParser(), LabelFilter(Comparison("a", ">", 1.0, "duration"))),
    (LogfmtParser(strict=True, keep_empty=True),),
    (LogfmtParser(extractions=(Extraction("x", "zz"),)),),
    (Unpack(),),
    (Decolorize(),),
    (PatternParser("<a>x<b>y<_>z<c>"),),
    (LineFilter("!=", (Needle("10.0.0.0/8", ip=True), Needle("2001:db8::/32", ip=True))),),
    (LineFilter("!>", (Needle("<_>a<_>a<_>a<_>b"),)),),
    (LineFilter("!~", (Needle("(a+)+$"), Needle("(a|a)*b"), Needle("(.*)*=(.*)*x$"))),),
    (RegexpParser("(?P<x>(a*)*)b"),),
]


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_ends_quickly(name: str) -> None:
    for stages in STAGES:
        run(stages, LINES[name])


def test_objects_are_followed_to_a_depth() -> None:
    def nested(depth: int) -> str:
        return '{"a":' * depth + "1" + "}" * depth

    def found(depth: int) -> bool:
        row = run((JsonParser(),), nested(depth))
        return row is not None and "_".join("a" * depth) in row.labels.parsed()

    assert found(PIPELINE_JSON_DEPTH)
    assert not found(PIPELINE_JSON_DEPTH + 2)


TEMPLATES = [
    "{{repeat 1000000000 `a`}}",
    "{{$x := `aaaaaaaaaa`}}" + "{{$x = repeat 10 $x}}" * 12 + "{{$x}}",
    "{{$x := `a`}}" + "{{$x = printf `%s%s` $x $x}}" * 60 + "{{len $x}}",
    "{{$x := `a`}}" + "{{$x = replace `` $x $x}}" * 30 + "{{len $x}}",
    "{{$x := repeat 1000000 `a`}}" + "{{$y := upper $x}}" * 200,
    "{{$l := fromJson (printf `[%s1]` (repeat 100000 `1,`))}}{{range $l}}{{end}}",
    "{{$l := fromJson (printf `[%s1]` (repeat 1000 `1,`))}}"
    "{{range $l}}{{range $l}}{{range $l}}x{{end}}{{end}}{{end}}",
    "{{$x := repeat 1000000 `a`}}{{$l := fromJson (printf `[%s1]` (repeat 9000 `1,`))}}"
    "{{range $l}}{{count `(a*)*b` $x}}{{end}}",
    "{{printf `%1000000d%1000000d` 1 2}}",
    "{{printf `%.9999999f` 1.5}}",
    "{{printf (repeat 100000 `%1000000d`) 1}}",
    "{{alignLeft 999999999 `a`}}",
    "{{indent 999999999 `a`}}",
    "{{indent 1000 (repeat 10000 `\n`)}}",
    "{{regexReplaceAll `a` (repeat 100000 `a`) (repeat 1000 `b`)}}",
    "{{regexReplaceAll `(a+)` (repeat 100000 `a`) (repeat 1000 `$1`)}}",
    "{{count (repeat 100000 `(a|b)*`) `x`}}",
    "{{count `(((a{100}){100}){100})` `x`}}",
    "{{fromJson (repeat 500000 `[`)}}",
    "{{date (repeat 100000 `2006`) now}}",
    "{{toDate (repeat 100 `2`) `1`}}",
    "{{html (repeat 1000000 `&`)}}{{html (repeat 1000000 `&`)}}",
    "{{toDateInZone `2006` (repeat 100000 `a`) `2021`}}",
    "{{unixToTime `9999999999999`}}{{date `2006` 9223372036854775807}}",
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda text: text[:50])
def test_a_hostile_template_ends_quickly_and_keeps_the_line(template: str) -> None:
    row = run((LineFormat(template),), "line")
    assert row is not None
    assert len(row.line) <= TEMPLATE_CHARS
    if row.labels.get("__error__"):
        assert row.labels.get("__error__") == "TemplateFormatErr"
        assert row.line == "line"


@pytest.mark.parametrize(
    ("template", "limit"),
    [
        (TEMPLATES[4], "too much work"),
        (TEMPLATES[5], "rounds of loops"),
        ("{{range fromJson (printf `[%s1]` (repeat 20000 `1,`))}}{{end}}", "rounds of loops"),
        ("{{$x := repeat 1000000 `a`}}" + "{{$y := count `b` $x}}" * 20, "too much work"),
        (TEMPLATES[0], "a text of more than"),
        ("{{$x := repeat 1000000 `a`}}{{$x}}{{$x}}", "writes more than"),
    ],
    ids=range(6),
)
def test_a_limit_of_templates_is_told(template: str, limit: str) -> None:
    row = run((LineFormat(template),), "line")
    assert row is not None
    assert limit in row.labels.get("__error_details__")


@pytest.mark.parametrize("depth", [10, 63, 64, 65, 66, 200, 500, 800, 900, 950, 990, 1_100, 20_000])
def test_what_is_nested_deeply_ends_in_labels_or_an_error(depth: int) -> None:
    objects = '{"a":' * depth + "1" + "}" * depth
    arrays = '{"a":' + "[" * depth + "]" * depth + "}"
    both = '{"b":2,"a":' + '[{"a":' * depth + "1" + "}]" * depth + "}"
    for line in (objects, arrays, both, objects.replace(":", " :")):
        for stages in STAGES[:2]:
            row = run(stages, line)
            assert row is not None
            assert row.labels.get("__error__") in ("", "JSONParserErr")
    for template in ("{{fromJson __line__}}", "{{printf `%s` (fromJson __line__)}}"):
        for line in (objects, arrays, both):
            row = run((LineFormat(template),), line)
            assert row is not None
            assert row.line.startswith(("map[", "{")) or not row.line
