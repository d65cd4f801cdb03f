"""What holds for any line, document and template."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.query.pipeline.case import run

from tailrace.core.errors import QueryError
from tailrace.core.limits import TEMPLATE_CHARS
from tailrace.query.logql.ast import (
    Comparison,
    Decolorize,
    Extraction,
    JsonParser,
    LabelFilter,
    LineFilter,
    LogfmtParser,
    Needle,
    PatternParser,
    RegexpParser,
    Stage,
    Unpack,
)
from tailrace.query.pipeline import units
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.pattern import tester as pattern_tester
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.pipeline.template.template import FUNCTIONS, SPECIAL, Template
from tailrace.query.pipeline.template.values import TemplateError

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
PIECES = st.sampled_from(
    ['{"a":', '"', "\\", "=", " ", "{", "}", "[", "]", ":", ",", "a", "1", "\\u", "d800", "\t",
     "10.0.0.1", "::", "\x1b[", "m", "null", "-", ".", "e9", '"a":1', "a=b", '="', "ü", "<", ">"]
)  # fmt: skip
LINES = ANY | st.lists(PIECES, max_size=30).map("".join)
EVERY: list[tuple[Stage, ...]] = [
    (JsonParser(),),
    (JsonParser((Extraction("x", "a.b[0]"), Extraction("y", "a"))),),
    (LogfmtParser(),),
    (LogfmtParser(strict=True, keep_empty=True),),
    (LogfmtParser(extractions=(Extraction("x", "a"),)),),
    (RegexpParser("(?P<x>a.)(?P<y>b)?"),),
    (PatternParser("<x>=<y> <_>"),),
    (Unpack(),),
    (Decolorize(),),
    (LineFilter("!=", (Needle("10.0.0.0/8", ip=True), Needle("::/0", ip=True))),),
    (LineFilter("!>", (Needle("a<_>b<_>"),)),),
    (LineFilter("!~", (Needle("[a-c]+$"),)),),
    (JsonParser(), LogfmtParser(), LabelFilter(Comparison("a", "!=", 1.0, "duration"))),
    (LogfmtParser(), LabelFilter(Comparison("a", "!=", 1.0, "bytes"))),
    (LogfmtParser(), LabelFilter(Comparison("a", "!=", "10.0.0.0/8", "ip"))),
]


@given(LINES)
@settings(max_examples=examples(100), deadline=None)
def test_no_line_makes_any_stage_raise(line: str) -> None:
    for stages in EVERY:
        row = run(stages, line)
        if row is not None:
            assert all(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) for name in row.labels.merged())


# Names that cannot meet after they are made into label names.
KEYS = st.text("abcdefgh", min_size=1, max_size=3) | st.sampled_from(["a b", "a.c", "ä", "1"])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


def flattened(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for key, item in value.items():
        name = re.sub(r"[^A-Za-z0-9_]", "_", key)
        if prefix:
            name = f"{prefix}_{name}"
        elif name[0].isdigit():
            name = f"_{name}"
        if isinstance(item, dict):
            found += flattened(item, name)
        elif isinstance(item, str):
            found.append((name, item))
        elif item is not None and not isinstance(item, list):
            found.append((name, json.dumps(item)))
    return found


@given(DOCUMENTS, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]), st.booleans())
@settings(max_examples=examples(80), deadline=None)
def test_fields_of_an_object_are_flattened(
    document: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    line = json.dumps(document, separators=separators, ensure_ascii=ascii_only)
    expected: dict[str, str] = {}
    for name, value in flattened(document):
        expected.setdefault(name, value)
    row = run((JsonParser(),), line)
    assert row is not None
    assert row.labels.parsed() == expected


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c\\\\", "d"]), st.integers(0, 9)), max_size=6)
)
def test_the_first_of_equal_keys_wins(pairs: list[tuple[str, int]]) -> None:
    row = run((JsonParser(),), "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}")
    expected: dict[str, str] = {}
    for key, value in pairs:
        expected.setdefault(key.replace("\\\\", "_"), str(value))
    assert row is not None
    assert row.labels.parsed() == expected


WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(
    st.dictionaries(st.text("abcxyz_", min_size=1, max_size=4), WORDS, max_size=5), st.booleans()
)
@settings(max_examples=examples(80), deadline=None)
def test_what_is_written_as_logfmt_is_read_back(values: dict[str, str], strict: bool) -> None:
    line = " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())
    row = run((LogfmtParser(strict=strict, keep_empty=True),), line)
    assert row is not None
    assert row.labels.parsed() == values


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=4), st.text("ab", max_size=12))
@settings(max_examples=examples(120))
def test_a_pattern_follows_as_a_regex_with_nonempty_holes(literals: list[str], line: str) -> None:
    for inner in range(1, len(literals) - 1):
        literals[inner] = literals[inner] or "a"
    follows = pattern_tester("<_>".join(literals), 0)(line)
    assert follows == bool(re.fullmatch(".+".join(literals), line))


# Keys and values in which the names that are wanted stand in every way.
NEAR = st.sampled_from(
    ["a", "b", "a_b", "ab", "ab_c", " ab", "ab ", "a.b", "a-b", "", "1", "x_extracted"]
)
NEAR_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["ab", "a", "", "x ab y", 0, -1, 1.50, True, None, 10**30, "\\u0061", "-0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NEAR, inner, max_size=3),
    max_leaves=4,
)
NEAR_LINES = st.lists(st.tuples(NEAR, NEAR_VALUES), max_size=4).map(
    lambda pairs: "{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs) + "}"
)


# Keys of which few look like those that are wanted, so that other fields are skipped.
FAR_LINES = st.dictionaries(
    st.sampled_from(["ab", "a_b", "zz", "y y", "ü", "x_extracted", "é\n"]),
    st.sampled_from(
        ["v", "", '"', "\\", 0, -0.0, 1.50, 10**19, False, None, [], {"zz": 1}, [[{}]]]
    ),
    max_size=4,
).map(json.dumps) | st.sampled_from(['{"ab":01}', '{"zz":"\x01","ab":1}', '{"ab":-0}', '{"ab":1}x'])

STREAMS = st.sampled_from([{}, {"ab": "stream"}, {"x": "stream", "zz": "stream"}])


@given(
    LINES
    | NEAR_LINES
    | NEAR_LINES.map(lambda line: line.replace(": 0", ":-0"))
    | NEAR_LINES.map(lambda line: line.replace('"a', '"\\u0061')),
    st.sets(st.sampled_from(["a", "b", "a_b", "ab", "ab_c", "x", "x_extracted"])),
    STREAMS,
)
@settings(max_examples=examples(100), deadline=None)
def test_wanting_some_labels_changes_none_of_them(
    line: str, wanted: set[str], stream: dict[str, str]
) -> None:
    for parser in (JsonParser(), LogfmtParser()):
        compare_wanted(parser, line, wanted, stream)


@given(
    FAR_LINES | FAR_LINES.map(lambda line: line.replace('"a_', '"\\u0061-')),
    st.sets(st.sampled_from(["ab", "zz", "x_extracted", "a_b"])),
    STREAMS,
)
@settings(max_examples=examples(120), deadline=None)
def test_fields_that_are_skipped_change_nothing(
    line: str, wanted: set[str], stream: dict[str, str]
) -> None:
    compare_wanted(JsonParser(), line, wanted, stream)


def compare_wanted(parser: Stage, line: str, wanted: set[str], stream: dict[str, str]) -> None:
    everything = Pipeline([parser]).process(0, line, stream, {})
    some = Pipeline([parser], frozenset(wanted)).process(0, line, stream, {})
    assert everything is not None
    assert some is not None
    for name in (*wanted, "__error__", "__error_details__"):
        assert some.labels.find(name) == everything.labels.find(name)


TOKENS = st.sampled_from(
    ["{{", "}}", "{{-", "-}}", " ", "if", "range", "else", "end", "with", "break", ".", ".a", "$",
     "$x", ":=", "=", "|", "(", ")", ",", "5", "-1", "1.5", '"s"', "`r`", "'c'", "true", "nil",
     "text", "/*", "*/", "{{end}}", "{{if .a}}", "{{range fromJson .a}}", "{{.a}}", "fromJson",
     *FUNCTIONS, *SPECIAL]
)  # fmt: skip
TEMPLATES = st.lists(TOKENS, max_size=25).map(" ".join) | st.lists(TOKENS, max_size=25).map("".join)


def filled(template: str, value: str) -> str:
    labels = LabelSet({"a": value}, {})
    try:
        return Template(template, 3, lambda: 0).text("line", labels, 0)
    except (QueryError, TemplateError):
        return ""


@given(TEMPLATES, ANY)
@settings(max_examples=examples(150), deadline=None)
def test_a_template_fails_only_as_it_may_and_writes_no_more_than_it_may(
    template: str, value: str
) -> None:
    assert len(filled(template, value)) <= TEMPLATE_CHARS


ARGUMENTS = st.lists(
    st.sampled_from([".a", "5", "-1", "1.5", "0", '"x"', '""', "true", "(fromJson .a)", "now",
                     "9223372036854775807", '"%*d"', '"(a|b)*"', '"2006 Jan .000"', '"UTC"']),
    max_size=4,
)  # fmt: skip
VALUES = ANY | st.sampled_from(
    ['{"a":[1,null,{"b":"c"}]}', "[[]]", "1" * 5000, "1e309", "NaN", "9" * 30]
)


@given(st.sampled_from(sorted([*FUNCTIONS, *SPECIAL])), ARGUMENTS, VALUES)
@settings(max_examples=examples(150), deadline=None)
def test_a_function_takes_any_arguments(name: str, arguments: list[str], value: str) -> None:
    assert len(filled(f"{{{{{name} {' '.join(arguments)}}}}}", value)) <= TEMPLATE_CHARS


@given(st.text("0123456789.,-+eEKMGiBbhmsnuµ _xInfNa", max_size=12) | ANY)
@settings(max_examples=examples(120))
def test_units_are_read_or_not_but_never_raise(text: str) -> None:
    for read in (units.number, units.duration_ns, units.duration_seconds, units.size_bytes):
        found = read(text)
        assert found is None or isinstance(found, float)


@given(st.integers(0, 2**50))
def test_durations_and_sizes_are_exact_in_their_smallest_unit(value: int) -> None:
    assert units.duration_ns(f"{value}ns") == value
    assert units.size_bytes(f"{value}B") == value
