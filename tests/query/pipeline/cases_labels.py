"""Label filters, label_format's renaming, drop and keep."""

from __future__ import annotations

from tests.query.pipeline.case import (
    DROPPED,
    JSON,
    LOGFMT,
    Case,
    either,
    label_format,
    rename,
    text,
    where,
)

from tailrace.query.logql.ast import (
    AllOf,
    AnyOf,
    Assignment,
    Chosen,
    Comparison,
    Drop,
    Keep,
    LabelFilter,
    LabelFormat,
    Stage,
)

SECOND = 1e9
FAILED = {"__error__": "LabelFilterErr"}


def kept(logql: str, stage: Stage, line: str, error: str = "") -> Case:
    """`| logfmt` and then a filter that lets the row pass."""
    pairs = (pair.partition("=") for pair in line.split())
    parsed = {key: value.strip('"') for key, _, value in pairs if value}
    if error:
        parsed["__error__"] = error
    return Case(f"| logfmt {logql}", (LOGFMT, stage), line, parsed=parsed)


def lost(logql: str, stage: Stage, line: str) -> Case:
    """`| logfmt` and then a filter that does not."""
    return Case(f"| logfmt {logql}", (LOGFMT, stage), line, DROPPED)


def number(name: str, op: str, value: float) -> LabelFilter:
    return where(Comparison(name, op, value, "number"))


def duration(name: str, op: str, seconds: float) -> LabelFilter:
    return where(Comparison(name, op, seconds * SECOND, "duration"))


def size(name: str, op: str, value: float) -> LabelFilter:
    return where(Comparison(name, op, value, "bytes"))


def address(name: str, op: str, value: str) -> LabelFilter:
    return where(Comparison(name, op, value, "ip"))


TEXT_CASES = [
    kept('| a="x"', where(text("a", "=", "x")), "a=x"),
    lost('| a="x"', where(text("a", "=", "x")), "a=xx"),
    kept('| a!="x"', where(text("a", "!=", "x")), "a=y"),
    lost('| a!="x"', where(text("a", "!=", "x")), "a=x"),
    kept("| a=~`x.`", where(text("a", "=~", "x.")), "a=xy"),
    lost("| a=~`x`", where(text("a", "=~", "x")), "a=xy"),
    lost("| a=~`x|z`", where(text("a", "=~", "x|z")), "a=xy"),
    kept("| a!~`x`", where(text("a", "!~", "x")), "a=xy"),
    lost("| a!~`x.*`", where(text("a", "!~", "x.*")), "a=xy"),
    kept('| b=""', where(text("b", "=", "")), "a=1"),
    kept('| b!="x"', where(text("b", "!=", "x")), "a=1"),
    lost('| b!=""', where(text("b", "!=", "")), "a=1"),
    kept("| b=~`.*`", where(text("b", "=~", ".*")), "a=1"),
    lost("| b=~`.+`", where(text("b", "=~", ".+")), "a=1"),
    kept('| app="shop"', where(text("app", "=", "shop")), "a=1"),
    kept('| trace_id="t1"', where(text("trace_id", "=", "t1")), "a=1"),
    Case('| json | a=~"x.y"', (JSON, where(text("a", "=~", "x.y"))), r'{"a":"x\ny"}',
         parsed={"a": "x\ny"}),
]  # fmt: skip

NUMBER_CASES = [
    kept("| a == 5", number("a", "==", 5), "a=5"),
    kept("| a = 5", number("a", "==", 5), "a=5.0"),
    lost("| a == 5", number("a", "==", 5), "a=6"),
    kept("| a != 5", number("a", "!=", 5), "a=6"),
    kept("| a > 5", number("a", ">", 5), "a=5.1"),
    lost("| a > 5", number("a", ">", 5), "a=5"),
    kept("| a >= 5", number("a", ">=", 5), "a=5"),
    kept("| a < 5", number("a", "<", 5), "a=-5"),
    kept("| a <= 5", number("a", "<=", 5), "a=5e0"),
    lost("| a < 5", number("a", "<", 5), "a=1e3"),
    lost("| b > 5", number("b", ">", 5), "a=1"),
    lost("| b != 5", number("b", "!=", 5), "a=1"),
    kept("| a > 5", number("a", ">", 5), "a=x", "LabelFilterErr"),
    kept("| a > 5", number("a", ">", 5), "a=1_0", "LabelFilterErr"),
    kept("| a > 5", number("a", ">", 5), "a=5ms", "LabelFilterErr"),
    kept("| a > 5", number("a", ">", 5), "a=٦", "LabelFilterErr"),
    kept("| a > 5", number("a", ">", 5), "a=1e999", "LabelFilterErr"),
    kept("| a > 5", number("a", ">", 5), "a=+Inf"),
    lost("| a > 5", number("a", ">", 5), "a=NaN"),
    Case("| json | a > 5", (JSON, number("a", ">", 5)), '{"a":" 6"}',
         parsed={"a": " 6", **FAILED}),
    Case("| json | a > 5", (JSON, number("a", ">", 5)), '{"a":""}', parsed={"a": "", **FAILED}),
    Case("| json | a > 5", (JSON, number("a", ">", 5)), "no json",
         parsed={"__error__": "JSONParserErr"}),
    Case("| json | a > 5 | a < 3", (JSON, number("a", ">", 5), number("a", "<", 3)), '{"a":"x"}',
         parsed={"a": "x", **FAILED}),
    Case('| json | a > 5 | __error__=""',
         (JSON, number("a", ">", 5), where(text("__error__", "=", ""))), '{"a":"x"}', DROPPED),
    Case('| json | __error__=""', (JSON, where(text("__error__", "=", ""))), "x", DROPPED),
    Case('| json | __error__=""', (JSON, where(text("__error__", "=", ""))), "{}"),
    Case('| json | __error__="JSONParserErr"',
         (JSON, where(text("__error__", "=", "JSONParserErr"))), "x",
         parsed={"__error__": "JSONParserErr"}),
    Case('| json | __error_details__=~".+"', (JSON, where(text("__error_details__", "=~", ".+"))),
         "x", parsed={"__error__": "JSONParserErr"}),
]  # fmt: skip

UNIT_CASES = [
    kept("| a > 1s", duration("a", ">", 1), "a=1001ms"),
    lost("| a > 1s", duration("a", ">", 1), "a=1s"),
    kept("| a == 90m", duration("a", "==", 5400), "a=1h30m"),
    kept("| a == 90m", duration("a", "==", 5400), "a=1.5h"),
    kept("| a >= 1us", duration("a", ">=", 1e-6), "a=1000ns"),
    kept("| a >= 1us", duration("a", ">=", 1e-6), "a=1µs"),
    kept("| a >= 1us", duration("a", ">=", 1e-6), "a=1μs"),
    kept("| a < 1s", duration("a", "<", 1), "a=-5s"),
    kept("| a < 1s", duration("a", "<", 1), "a=0"),
    kept("| a == 500ms", duration("a", "==", 0.5), "a=.5s"),
    kept("| a == 2d", duration("a", "==", 172800), "a=48h"),
    kept("| a == 48h", duration("a", "==", 172800), "a=2d"),
    kept("| a == 1w", duration("a", "==", 604800), "a=1w"),
    lost("| b > 1s", duration("b", ">", 1), "a=1s"),
    kept("| a > 1s", duration("a", ">", 1), "a=5", "LabelFilterErr"),
    kept("| a > 1s", duration("a", ">", 1), "a=fast", "LabelFilterErr"),
    kept("| a > 1s", duration("a", ">", 1), "a=1s5", "LabelFilterErr"),
    kept("| a > 1s", duration("a", ">", 1), "a=9999999h", "LabelFilterErr"),
    kept("| a > 20MB", size("a", ">", 20e6), "a=21MB"),
    lost("| a > 20MB", size("a", ">", 20e6), "a=20MB"),
    kept("| a == 1KB", size("a", "==", 1000), "a=1kB"),
    kept("| a == 1KB", size("a", "==", 1000), "a=1KB"),
    kept("| a == 1KiB", size("a", "==", 1024), "a=1KiB"),
    kept("| a == 1536B", size("a", "==", 1536), "a=1.5KiB"),
    kept("| a == 20B", size("a", "==", 20), "a=20B"),
    kept("| a == 20B", size("a", "==", 20), "a=20"),
    kept("| a == 1GB", size("a", "==", 1e9), "a=1gb"),
    kept("| a == 1GiB", size("a", "==", 2**30), "a=1Gi"),
    kept("| a == 1TB", size("a", "==", 1e12), "a=1,000GB"),
    kept("| a > 1B", size("a", ">", 1), "a=-5B", "LabelFilterErr"),
    kept("| a > 1B", size("a", ">", 1), "a=5s", "LabelFilterErr"),
    kept("| a > 1B", size("a", ">", 1), "a=MB", "LabelFilterErr"),
    Case("| json | a == 2MB", (JSON, size("a", "==", 2e6)), '{"a":"2 MB"}', parsed={"a": "2 MB"}),
    lost("| b > 1B", size("b", ">", 1), "a=1B"),
    kept('| a = ip("10.0.0.0/8")', address("a", "=", "10.0.0.0/8"), "a=10.1.2.3"),
    lost('| a = ip("10.0.0.0/8")', address("a", "=", "10.0.0.0/8"), "a=11.1.2.3"),
    kept('| a != ip("10.0.0.0/8")', address("a", "!=", "10.0.0.0/8"), "a=11.1.2.3"),
    lost('| a != ip("10.0.0.0/8")', address("a", "!=", "10.0.0.0/8"), "a=10.1.2.3"),
    kept('| a = ip("10.1.2.3")', address("a", "=", "10.1.2.3"), "a=10.1.2.3:8080"),
    kept('| a = ip("2001:db8::1-2001:db8::8")', address("a", "=", "2001:db8::1-2001:db8::8"),
         "a=2001:db8::5"),
    lost('| b = ip("10.0.0.0/8")', address("b", "=", "10.0.0.0/8"), "a=1"),
    lost('| b != ip("10.0.0.0/8")', address("b", "!=", "10.0.0.0/8"), "a=1"),
    kept('| a != ip("10.0.0.0/8")', address("a", "!=", "10.0.0.0/8"), "a=nothing"),
]  # fmt: skip

A = Comparison("a", ">", 5.0, "number")
B = text("b", "=", "x")
C = text("c", "=", "y")
LOGIC_CASES = [
    kept('| a > 5 and b="x"', where(A, B), "a=6 b=x"),
    lost('| a > 5 and b="x"', where(A, B), "a=6 b=y"),
    kept('| a > 5 or b="x"', either(A, B), "a=1 b=x"),
    kept('| a > 5 or b="x"', either(A, B), "a=6 b=y"),
    lost('| a > 5 or b="x"', either(A, B), "a=1 b=y"),
    kept('| a > 5 or b="x"', either(A, B), "a=bad b=y", "LabelFilterErr"),
    kept('| b="x" or a > 5', either(B, A), "a=bad b=x"),
    lost('| b="x" and a > 5', where(B, A), "a=bad b=y"),
    kept('| a > 5 or b="x" and c="y"', LabelFilter(AllOf(AnyOf(A, B), C)), "a=6 b=z c=y"),
    lost('| a > 5 or b="x" and c="y"', LabelFilter(AllOf(AnyOf(A, B), C)), "a=6 b=x c=z"),
    kept('| a > 5 or (b="x" and c="y")', LabelFilter(AnyOf(A, AllOf(B, C))), "a=6 b=x c=z"),
    lost('| a > 5 or (b="x" and c="y")', LabelFilter(AnyOf(A, AllOf(B, C))), "a=1 b=x c=z"),
    kept('| b="x" or c="y" or a > 5', LabelFilter(AnyOf(AnyOf(B, C), A)), "a=bad b=z c=y"),
    kept('| a > 5, b="x" and c="y"', where(A, B, C), "a=6 b=x c=y"),
    lost('| a > 5, b="x" and c="y"', where(A, B, C), "a=6 b=x c=z"),
]

NAMED = "level=info method=GET path=/"
ALL_NAMED = {"level": "info", "method": "GET", "path": "/"}


def chosen(*names: str | Chosen) -> tuple[Chosen, ...]:
    return tuple(Chosen(one) if isinstance(one, str) else one for one in names)


def drop(logql: str, *names: str | Chosen, **parsed: str) -> Case:
    return Case(f"| logfmt | drop {logql}", (LOGFMT, Drop(chosen(*names))), NAMED, parsed=parsed)


def keep(logql: str, *names: str | Chosen, **parsed: str) -> Case:
    stages = (LOGFMT, Keep(chosen(*names)))
    return Case(f"| logfmt | keep {logql}", stages, NAMED, parsed=parsed, stream={}, metadata={})


GET = Chosen("method", "=", "GET")
POST = Chosen("method", "=", "POST")
CHOICE_CASES = [
    drop("level", "level", method="GET", path="/"),
    drop("level, nothing", "level", "nothing", method="GET", path="/"),
    drop('method="GET"', GET, level="info", path="/"),
    drop('method="POST"', POST, **ALL_NAMED),
    drop("method=~`G.*`", Chosen("method", "=~", "G.*"), level="info", path="/"),
    drop("method=~`G`", Chosen("method", "=~", "G"), **ALL_NAMED),
    drop("method!~`G`", Chosen("method", "!~", "G"), level="info", path="/"),
    drop('method!="GET"', Chosen("method", "!=", "GET"), **ALL_NAMED),
    drop('nothing=""', Chosen("nothing", "=", ""), **ALL_NAMED),
    keep("level", "level", level="info"),
    keep("level, nothing", "level", "nothing", level="info"),
    keep('level, method="GET"', "level", GET, level="info", method="GET"),
    keep('level, method="POST"', "level", POST, level="info"),
    keep('method="POST", method="GET"', POST, GET, method="GET"),
    Case("| drop app", (Drop(chosen("app")),), "x", stream={"env": "prod"}),
    Case("| drop trace_id", (Drop(chosen("trace_id")),), "x", metadata={}),
    Case("| keep app", (Keep(chosen("app")),), "x", stream={"app": "shop"}, metadata={}),
    Case("| keep trace_id", (Keep(chosen("trace_id")),), "x", stream={}),
    Case("| json | drop __error__", (JSON, Drop(chosen("__error__"))), "x"),
    Case('| json | drop __error__="JSONParserErr"',
         (JSON, Drop((Chosen("__error__", "=", "JSONParserErr"),))), "x"),
    Case('| json | drop __error__="Other"', (JSON, Drop((Chosen("__error__", "=", "Other"),))),
         "x", parsed={"__error__": "JSONParserErr"}),
    Case("| json | keep app", (JSON, Keep(chosen("app"))), "x", stream={"app": "shop"},
         metadata={}, parsed={"__error__": "JSONParserErr"}),
    Case("| json | drop app", (JSON, Drop(chosen("app"))), '{"app":"x"}',
         stream={"env": "prod"}, parsed={"app_extracted": "x"}),
    Case("| drop app | json", (Drop(chosen("app")), JSON), '{"app":"x"}',
         stream={"env": "prod"}, parsed={"app_extracted": "x"}),
]  # fmt: skip

FORMAT_CASES = [
    Case("| logfmt | label_format b=a", (LOGFMT, rename(b="a")), "a=1", parsed={"b": "1"}),
    Case("| logfmt | label_format b=a", (LOGFMT, rename(b="a")), "a=1 b=2", parsed={"b": "1"}),
    Case("| logfmt | label_format b=none", (LOGFMT, rename(b="none")), "b=2", parsed={"b": "2"}),
    Case("| logfmt | label_format a=a", (LOGFMT, rename(a="a")), "a=1", parsed={"a": "1"}),
    Case("| label_format service=app", (rename(service="app"),), "x",
         stream={"service": "shop", "env": "prod"}),
    Case("| label_format trace=trace_id", (rename(trace="trace_id"),), "x",
         metadata={"trace": "t1"}),
    Case("| logfmt | label_format app=a", (LOGFMT, rename(app="a")), "a=1",
         stream={"env": "prod"}, parsed={"app": "1"}),
    Case('| label_format a="{{.app}}"', (label_format(a="{{.app}}"),), "x", parsed={"a": "shop"}),
    Case('| label_format app="{{.app}}!"', (label_format(app="{{.app}}!"),), "x",
         stream={"env": "prod"}, parsed={"app": "shop!"}),
    Case('| label_format trace_id="new"', (label_format(trace_id="new"),), "x",
         metadata={}, parsed={"trace_id": "new"}),
    Case('| logfmt | label_format a="{{.b}}",b="{{.a}}"',
         (LOGFMT, label_format(a="{{.b}}", b="{{.a}}")), "a=1 b=2", parsed={"a": "2", "b": "1"}),
    Case('| logfmt | label_format x=a,y="{{.a}}"',
         (LOGFMT, LabelFormat((Assignment("x", "a", False), Assignment("y", "{{.a}}", True)))),
         "a=1", parsed={"x": "1", "y": "1"}),
    Case('| label_format a="{{div 1 0}}",b="ok"', (label_format(a="{{div 1 0}}", b="ok"),), "x",
         parsed={"b": "ok", "__error__": "TemplateFormatErr"}),
    Case('| label_format a=""', (label_format(a=""),), "x", parsed={"a": ""}),
    Case("| json | label_format e=__error__", (JSON, rename(e="__error__")), "x",
         parsed={"e": "JSONParserErr"}),
    Case('| label_format d="{{ .x | default 5 }}" | d > 4',
         (label_format(d="{{ .x | default 5 }}"), number("d", ">", 4)), "x", parsed={"d": "5"}),
]  # fmt: skip
CASES = [*TEXT_CASES, *NUMBER_CASES, *UNIT_CASES, *LOGIC_CASES, *CHOICE_CASES, *FORMAT_CASES]
