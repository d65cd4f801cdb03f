"""Random rows, and random queries over them as text.

Numbers are halves, ranges powers of two: sums of them are exact in whatever order they are taken,
so that comparisons say the same on both sides. What is not exact is in `rough`, where nothing is
compared.
"""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import strategies as st

STARTS = st.sampled_from([4, 17, 30, 41, 60])
labels = st.sampled_from(["status", "user", "service_name", "level", "zone", "tag", "host_name"])
label_lists = st.lists(labels, max_size=2, unique=True)
half = st.integers(-4, 40).map(lambda n: n / 2)

fields = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["200", "500", "200", "x"]),
        "n": st.one_of(
            half.map(str),
            half.map(str),
            half.map(str),
            st.sampled_from(["many", "NaN", "+Inf", "-Inf"]),
        ),
    },
    optional={
        "user": st.sampled_from(["ann", "bob", ""]),
        "took": st.sampled_from(["500ms", "2s", "1.5s", "1m"]),
        "size": st.sampled_from(["1KB", "2KiB", "512B", "20"]),
        "zone": st.just("parsed"),
    },
)
logfmt = fields.map(lambda found: " ".join(f'{k}="{v}"' for k, v in found.items()))
bodies = st.one_of(
    fields.map(json.dumps),
    logfmt,
    logfmt,
    logfmt,
    st.sampled_from(["GET /a 200", "no pairs", "", "ünï"]),
)
row = st.fixed_dictionaries({
    "second": st.integers(0, 60).map(float) | st.integers(0, 480).map(lambda n: n / 8),
    "body": bodies,
    "severity": st.sampled_from([0, 9, 9, 17]),
    "service": st.sampled_from(["web", "web", "api"]),
    "host": st.sampled_from(["", "h1"]),
    "weight": st.sampled_from([1, 1, 20]),
    "resource": st.sampled_from([{}, {}, {"zone": "a"}, {"k8s.pod": "p"}]),
    "attributes": st.sampled_from([{}, {}, {"tag": "t1"}, {"tag": "t2", "status": "attr"}]),
    "trace": st.just(""),
    "span": st.just(""),
})  # fmt: skip
rows = st.lists(row, min_size=10, max_size=24, unique_by=lambda one: one["second"])

selectors = st.sampled_from([
    *['{service_name=~".+"}'] * 12, '{service_name="web"}', '{level!="error",'
    ' service_name=~"w.*|api"}', '{service_name=~".+", zone="a"}', '{service_name="api", zone=""}',
    '{host_name="h1"}', '{service_name=~".*b", host_name!="h1"}', '{k8s_pod="p"}',
])  # fmt: skip
parsers = st.sampled_from([
    "", "", "| logfmt", "| logfmt", '| logfmt | __error__=""', '| json | __error__=""', "| json",
    '| logfmt user, s="status"', '| json n="n"', '| regexp "(?P<verb>[A-Z]+) (?P<path>/[a-z])"',
    '| pattern "<verb> <path> <status>"', "| unpack",
])  # fmt: skip
stages = st.sampled_from([
    '|= "a"', '!= "500"', '|~ "2s|ann"', '| status="200"', '| status!="500"', '| user=~"a.*"',
    "| status >= 300", "| n > 3", '| took < 2s or user = "bob"', "| size > 1KB", "| drop user",
    "| drop status, zone", "| keep user, n, took, size", '| label_format who=user, k="{{.status}}"',
    "| line_format `{{.user}} {{.n}}`", '| __error__=""', '| tag="t1"', "| drop __error__",
    "| decolorize", '| user!="" and (n > 1 or level="error")',
])  # fmt: skip
pipelines = st.builds(
    lambda first, parser, then: " ".join([*first, parser, *then]),
    st.lists(st.sampled_from(['|= "="', '!= "bob"', '| level="info"']), max_size=1),
    parsers,
    st.sampled_from([0, 0, 1, 1, 2]).flatmap(
        lambda count: st.lists(stages, min_size=count, max_size=count)
    ),
)
log_queries = st.builds("{} {}".format, selectors, pipelines)

windows = st.builds(
    "[{}s]{}".format,
    st.sampled_from([4, 8, 16, 32, 64, 64, 64]),
    st.sampled_from(["", "", "", " offset 8s", " offset -4s"]),
)
unwraps = st.builds(
    "{} | unwrap {}{}".format,
    st.sampled_from(
        [
            "| logfmt",
            "| logfmt",
            '| json | __error__=""',
            '| logfmt | __error__=""',
            "| logfmt | n < 15",
        ]
    ),
    st.sampled_from(["n", "n", "n", "duration(took)", "duration_seconds(took)", "bytes(size)"]),
    st.sampled_from(["", ' | __error__=""', ' | __error__=""', ' | __error__="" | n > 1']),
)
range_groupings = st.one_of(
    st.just(""), st.builds(" {} ({})".format, st.sampled_from(["by", "without"]),
                           label_lists.map(", ".join)),
)  # fmt: skip
of_lines = st.builds(
    "{}({} {})".format,
    st.sampled_from([
        "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time",
    ]),
    log_queries, windows,
)  # fmt: skip
_SUMS = ("sum_over_time", "rate")
_GROUPED = ("min_over_time", "max_over_time", "first_over_time", "last_over_time")
_ROUGH = (
    "avg_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time(0.5, ",
    "quantile_over_time(0.9, ",
)  # fmt: skip


def of_numbers(functions: tuple[str, ...], grouped: bool) -> st.SearchStrategy[str]:
    return st.builds(
        lambda function, *parts: (
            (function if "(" in function else function + "(") + "{} {} {}){}".format(*parts)
        ),
        st.sampled_from(functions), selectors, unwraps, windows,
        range_groupings if grouped else st.just(""),
    )  # fmt: skip


exact_ranges = st.one_of(of_lines, of_lines, of_numbers(_SUMS, False), of_numbers(_GROUPED, True))
rough_ranges = of_numbers(_ROUGH, True) | of_numbers(("rate_counter",), False)
groupings = st.builds(
    "{} ({})".format, st.sampled_from(["by", "by", "without"]), label_lists.map(", ".join)
) | st.just("")
matchings = st.one_of(
    st.just(""),
    st.just(""),
    st.builds(
        "{} ({}) {}".format,
        st.sampled_from(["on", "ignoring"]),
        label_lists.map(", ".join),
        st.sampled_from(["", "group_left ()", "group_right ()", "group_left (zone)"]),
    ),
)
set_matchings = st.just("") | st.builds(
    "{} ({})".format, st.sampled_from(["on", "ignoring"]), label_lists.map(", ".join)
)
scalars = st.sampled_from(["2", "0", "-1", "(1 + 1)", "0.5"])
replacements = st.builds(
    '"{}", "{}", "{}", "{}"'.format,
    st.sampled_from(["new", "level", "user"]), st.sampled_from(["x", "", "$1"]), labels,
    st.sampled_from(["(.*)", "(.).*", "(w|2)(.*)", "(nothing)"]),
)  # fmt: skip


def grown(
    inner: st.SearchStrategy[str], functions: list[str], operators: list[str]
) -> st.SearchStrategy[str]:
    """Queries around queries."""
    return st.one_of(
        st.builds("{} {} ({})".format, st.sampled_from(functions), groupings, inner),
        st.builds("({} {} {} {})".format, inner, st.sampled_from(operators), matchings, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(operators), scalars),
        st.builds("({} {} {})".format, scalars, st.sampled_from(operators), inner),
        st.builds(
            "({} {} {} {})".format, inner, st.sampled_from(["and", "or", "unless"]), set_matchings,
            inner,
        ),
        st.builds("label_replace({}, {})".format, inner, replacements),
    )  # fmt: skip


_COMPARISONS = [
    one + more for one in ("==", "!=", ">", ">=", "<", "<=") for more in ("", " bool")
]  # fmt: skip
exact = st.recursive(
    exact_ranges | exact_ranges | st.just("vector(2)"),
    lambda inner: grown(inner, ["sum", "min", "max", "count"], ["+", "-", "*", *_COMPARISONS]),
    max_leaves=3,
)
rough = st.recursive(
    rough_ranges | exact,
    lambda inner: grown(inner, ["sum", "avg", "stddev", "stdvar", "min", "count"], ["+", "-", "*"]),
    max_leaves=3,
)
divided = st.builds("({}) / {} ({})".format, exact, matchings, exact)
metric_queries = st.one_of(exact_ranges, rough_ranges, rough_ranges, exact, rough, divided)
ranked_queries = st.builds(
    "{} {} ({}, {})".format,
    st.sampled_from(["topk", "bottomk", "approx_topk"]), groupings, st.integers(1, 3),
    exact_ranges,
)  # fmt: skip
sorted_queries = st.builds("{}({})".format, st.sampled_from(["sort", "sort_desc"]), exact_ranges)


def dense(seed: int) -> list[dict[str, Any]]:
    """Forty rows at whole seconds of a minute, all with a number: no window without some, and many
    at the very ends of windows."""
    dice = random.Random(seed)
    return [
        {
            "second": float(second), "severity": dice.choice([9, 17]), "service": "web", "host": "",
            "body": f"n={dice.randrange(-4, 40) / 2} user={dice.choice(['ann', 'bob'])}",
            "weight": dice.choice([1, 1, 20]), "resource": {}, "attributes": {}, "trace": "",
            "span": "",
        }
        for second in dice.sample(range(61), 40)
    ]  # fmt: skip


FUNCTIONS = [
    *(f"{name}({{}} [{{}}s])" for name in (
        "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time",
    )),
    *(f"{name}({{}} | unwrap n [{{}}s])" for name in (
        "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
        "last_over_time", "stddev_over_time", "stdvar_over_time", "rate", "rate_counter",
    )),
    "quantile_over_time(0.5, {} | unwrap n [{}s])", "quantile_over_time(0.9, {} | unwrap n [{}s])",
]  # fmt: skip
GROUPED = ("avg", "min", "max", "first", "last", "stddev", "stdvar", "quantile")
