"""Files, expressions and templates have the same verdict from promtool as from the readers here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.alerts.promtool.theirs import checked, judged, unpacked
from tests.alerts.rules import test_checks
from tests.alerts.templating import cases, test_functions, test_language
from tests.query.promql import test_parser

from tailrace.alerts.rules.reader import read
from tailrace.alerts.templating.template import check
from tailrace.core.errors import QueryError
from tailrace.query.promql.parser import parse

pytestmark = unpacked
SCRIPTS = Path(test_parser.__file__).parent / "scripts"
CORPUS = Path(test_checks.__file__).parent / "corpus"

# What Debian's promtool, 2.42, says of what is in the language since: quoted names, numbers for
# durations and durations for numbers, digits parted by _, and these functions; weekly_ is ours.
NEWER = re.compile(
    r"unexpected string|missing unit character|unexpected (number|duration)|bad number or duration"
    r"|duration must be greater than 0|trailing commas|unexpected <by> in aggregation"
    r"|unexpected \"\(\"|unknown function with name \"(limitk|limit_ratio|first_over_time"
    r"|mad_over_time|ts_of_\w+|weekly_\w+|double_exponential_smoothing|histogram_avg|step|range"
    r"|sort_by_label(_desc)?)\""
)
# What is refused here alone: bounds, a function that is gone since, and a label without a name,
# which Prometheus refuses when it evaluates.
OURS = re.compile(r"QUERY_|ten years|1970 to 2261|'holt_winters'|takes the name of a label")


def expressions() -> list[str]:
    """All that tests of PromQL have, right and wrong."""
    found = [source for source, _ in (*test_parser.PARSED, *test_parser.REFUSED)]
    for path in sorted(SCRIPTS.iterdir()):
        said = r"(?m)^eval (?:instant at \S+|range from \S+ to \S+ step \S+) (.+)$"
        found += re.findall(said, path.read_text())
    # An empty one is no expression for a rule, and half a character none for YAML.
    return [one for one in dict.fromkeys(found) if one and "\xff" not in one]


def refused_here(source: str) -> str:
    try:
        parse(source)
    except QueryError as error:
        return str(error)
    return ""


def test_an_expression_that_promtool_takes_is_taken_and_no_other(tmp_path: Path) -> None:
    sources = expressions()
    rules = [{"record": f"r{n}", "expr": source} for n, source in enumerate(sources)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    said = re.findall(r'rule \d+, "r(\d+)": (.*)', checked([path])[path])
    theirs = {sources[int(number)]: words for number, words in said}
    assert len(sources) > 800 and len(theirs) > 60
    otherwise = [
        (source, ours, theirs.get(source, ""))
        for source in sources
        if bool(ours := refused_here(source)) != (source in theirs)
        and not (OURS.search(ours) if ours else NEWER.search(theirs[source]))
    ]
    assert otherwise == []


RIGHT = [
    "", "groups:", "groups: []", "groups: [{name: a}]", "groups: [{name: a, rules: []}]",
    "groups: [{name: a, interval: 1m, limit: 5, rules: [{record: 'a:b', expr: up}]}]",
    "groups: [{name: a, rules: [{alert: 'with space', expr: 1, labels: {a: 1, b: true}}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: up, for: 1d, keep_firing_for: 1h30m}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: up, for: 0s}]}, {name: b, rules: []}]",
    "groups: [{name: a, rules: &x [{record: b, expr: up}]}, {name: b, rules: *x}]",
    "groups: [{name: a, rules: [{record: b, expr: up, labels: {a: ''}}]}]",
]  # fmt: skip


def files() -> Iterator[str]:
    for rule, _ in test_checks.RULES:
        lines = "\n".join(f"    {line}" for line in rule.splitlines())
        yield f"groups:\n- name: a\n  rules:\n  -\n{lines}\n"
    for text in (*test_checks.NO_DURATIONS, *(text for text, _ in test_checks.DURATIONS)):
        yield f"groups: [{{name: a, rules: [{{alert: A, expr: up, for: '{text}'}}]}}]"
    for group, _ in test_checks.GROUPS:
        yield f"groups: [{{{group}}}]"
    yield from (text for text, _ in test_checks.FILES)
    yield from RIGHT
    yield from (path.read_text() for path in sorted(CORPUS.iterdir()))


# What promtool takes and the reader does not: a bound, an interval that is too short, a limit that
# means nothing, and groups after the end of the first document, which Prometheus never reads.
STRICTER = re.compile(r"ten years|RULE_INTERVAL_LEAST_S|limit has to be|a document after the first")
# The other way around: fields that came after 2.42, and those that are of Loki's tools or ours.
FIELDS = re.compile(r"field (namespace|labels|query_offset|language) not found")


def test_a_file_that_promtool_takes_is_taken_and_no_other(tmp_path: Path) -> None:
    texts = list(dict.fromkeys(files()))
    paths = {tmp_path / f"{number}.yml": text for number, text in enumerate(texts)}
    for path, text in paths.items():
        path.write_text(text)
    otherwise = []
    for path, theirs in checked(list(paths)).items():
        ours = "\n".join(map(str, read(path.read_bytes(), check_template=check).errors))
        explained = STRICTER.search(ours) if ours else FIELDS.search(theirs)
        if bool(ours) != bool(theirs) and not explained:
            otherwise.append((paths[path], ours, theirs))
    assert otherwise == []


FILLED = [
    *test_language.CASES,
    *(
        (f"{{{{ {text} }}}}", becomes)
        for text, becomes in (
            *test_functions.NUMBERS, *test_functions.TEXTS, *test_functions.QUERIES,
        )
    ),
]  # fmt: skip
FAILING = [
    *(text for text, _ in test_language.WRONG_LATER),
    *(f"{{{{ {text} }}}}" for text, _ in test_functions.FAILING),
]
# Functions that Prometheus has since, a label that 2.42 does not take, functions that break in
# promtool alone, for it hands them no URL, and the first of samples, which it gives in any order.
NOT_THERE = re.compile(
    r"\b(now|join|urlQueryEscape)\b|host\.name|\{\{ (externalURL|pathPrefix) |query \"up\" \| first"
)
SERIES = {
    'm{instance="web-1:9090", job="api"}': "5x3",
    'up{job="b"}': "1x3",
    'up{job="a"}': "0.5x3",
}


def alerts(tmp_path: Path, texts: Mapping[str, str]) -> str:
    """What promtool says where alerts A0, A1 and so on have these annotations, and should have
    the texts beside them."""
    rules, expected = [], []
    for number, (text, becomes) in enumerate(texts.items()):
        rules.append({"alert": f"A{number}", "expr": "m", "annotations": {"a": text}})
        labels = {"instance": "web-1:9090", "job": "api"}
        told = [{"exp_labels": labels, "exp_annotations": {"a": becomes.strip()}}]
        expected.append({"eval_time": "1m", "alertname": f"A{number}", "exp_alerts": told})
    test = {
        "interval": "1m",
        "external_labels": dict(cases.OUTSIDE.labels),
        "external_url": cases.OUTSIDE.url,
        "input_series": [{"series": one, "values": values} for one, values in SERIES.items()],
        "alert_rule_test": expected,
    }
    groups = [{"name": "g", "rules": rules}]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}))
    path = tmp_path / "tests.yml"
    path.write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))
    return judged([path])[path]


def test_promtool_fills_templates_in_as_the_tests_say_that_prometheus_does(tmp_path: Path) -> None:
    texts = {text: becomes for text, becomes in FILLED if not NOT_THERE.search(text)}
    assert len(texts) > 180
    assert alerts(tmp_path, texts) == ""


def test_what_fails_in_a_template_fails_in_promtool(tmp_path: Path) -> None:
    texts = {text: "" for text in FAILING if not NOT_THERE.search(text)}
    said = alerts(tmp_path, texts)
    found = re.findall(r'alertname="A(\d+)".*\n\s+Annotations:\{a="<error expanding template', said)
    assert sorted(map(int, found)) == list(range(len(texts)))


# Told when rules are read, where Prometheus finds out at an alert: a number of arguments, and a
# template that is too long.
EARLIER = re.compile(
    r"takes \d+ arguments|cannot be set in template|takes arguments|more than 16384"
)


def test_a_template_that_promtool_takes_is_taken_and_no_other(tmp_path: Path) -> None:
    wrong = [text for text, _ in test_language.WRONG_AT_ONCE]
    texts = [*wrong, *FAILING, *(text for text, _ in FILLED)]
    texts = [text for text in texts if not NOT_THERE.search(text)]
    paths = {tmp_path / f"{number}.yml": text for number, text in enumerate(texts)}
    for path, text in paths.items():
        rule = {"alert": "A", "expr": "up", "annotations": {"a": text}}
        path.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    otherwise = []
    for path, theirs in checked(list(paths)).items():
        ours = check(paths[path]) or ""
        if bool(ours) != bool(theirs) and not EARLIER.search(ours):
            otherwise.append((paths[path], ours, theirs))
    assert otherwise == []
