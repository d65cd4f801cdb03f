"""Functions of alerts' templates, as Prometheus has them beside those of Go.

Source: https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

from tailrace.alerts.templating import humanize
from tailrace.alerts.templating.hosts import strip_domain, strip_port
from tailrace.query.logql.duration import parse_duration
from tailrace.query.pipeline.template import gotime
from tailrace.query.pipeline.template.comparing import COMPARING
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.gotime import SECOND_NS
from tailrace.query.pipeline.template.texts import TEXTS, clean, regex, replace_all, title
from tailrace.query.pipeline.template.values import (
    Record,
    TemplateError,
    Texts,
    Value,
    formatted,
    kind,
)


class Sample(Record):
    """What `query` gives a list of."""

    def __init__(self, labels: Mapping[str, str], value: float) -> None:
        super().__init__({"Labels": Texts(labels), "Value": value})


def _labels(value: Value, function: str) -> Texts:
    if not isinstance(value, Sample):
        raise TemplateError(f"{function}: expected a sample, found {kind(value)}")
    labels: Texts = value.fields["Labels"]
    return labels


def _samples(value: Value, function: str) -> list[Sample]:
    if not isinstance(value, list):
        raise TemplateError(f"{function}: expected samples, found {kind(value)}")
    for one in value:
        _labels(one, function)
    return value


def _first(value: Value) -> Sample:
    samples = _samples(value, "first")
    if not samples:
        raise TemplateError("first: there are no samples")
    return samples[0]


def _value(value: Value) -> Value:
    _labels(value, "value")
    return value.fields["Value"]


def _sorted(name: str, value: Value) -> list[Sample]:
    samples = _samples(value, "sortByLabel")
    return sorted(samples, key=lambda one: _labels(one, "sortByLabel").get(name, ""))


def _join(separator: str, value: Value) -> str:
    if not isinstance(value, list):
        raise TemplateError(f"join: expected a list, found {kind(value)}")
    return separator.join(map(formatted, value))


def _parse_duration(text: str) -> float:
    found = 0 if text == "0" else parse_duration(text)
    if found is None:
        raise TemplateError(f"parseDuration: {text[:40]!r} is no duration")
    return found / SECOND_NS


def _link(expression: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expression, errors='replace')}&g0.tab={tab}"


FUNCTIONS: dict[str, Function] = {
    **COMPARING,
    "args": Function("", lambda *values: {f"arg{n}": one for n, one in enumerate(values)}, "a"),
    "first": Function("a", _first),
    "graphLink": Function("s", lambda expression: _link(expression, 0)),
    "html": TEXTS["html"],
    "humanize": Function("a", humanize.humanize),
    "humanize1024": Function("a", humanize.humanize_1024),
    "humanizeDuration": Function("a", humanize.humanize_duration),
    "humanizePercentage": Function("a", humanize.humanize_percentage),
    "humanizeTimestamp": Function("a", humanize.humanize_timestamp),
    "join": Function("sa", _join),
    "label": Function("sa", lambda name, value: _labels(value, "label").get(name, "")),
    "match": Function("ss", lambda pattern, text: regex(pattern).search(clean(text)) is not None),
    "parseDuration": Function("s", _parse_duration),
    "reReplaceAll": Function("sss", lambda pattern, new, text: replace_all(pattern, text, new)),
    "safeHtml": Function("s", lambda text: text),
    "sortByLabel": Function("sa", _sorted),
    "stripDomain": Function("s", strip_domain),
    "stripPort": Function("s", strip_port),
    "strvalue": Function("a", lambda value: _labels(value, "strvalue").get("__value__", "")),
    "tableLink": Function("s", lambda expression: _link(expression, 1)),
    "title": Function("s", title),
    "toLower": Function("s", str.lower),
    "toTime": Function("a", humanize.time),
    "toUpper": Function("s", str.upper),
    "urlQueryEscape": Function("s", lambda text: quote_plus(text, errors="replace")),
    "urlquery": TEXTS["urlquery"],
    "value": Function("a", _value),
}

# Of times, by Go's names.
METHODS: dict[str, Function] = {
    "Format": Function("ts", gotime.formatted),
    "String": Function("t", lambda time: time.text()),
    "UTC": Function("t", lambda time: time),
    "Unix": Function("t", lambda time: time.ns // SECOND_NS),
    "UnixMilli": Function("t", lambda time: time.ns // 1_000_000),
    "Year": Function("t", lambda time: time.wall()[0].year),
}
