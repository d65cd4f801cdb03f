"""YAML of unit tests to a suite, with every mistake of the text at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tailrace.alerts.evaluation.expression import parsed
from tailrace.alerts.promtool.notation import BadNotation, Value, labels, values
from tailrace.alerts.promtool.suite import (
    AlertTest,
    ExpectedAlert,
    ExprTest,
    Lines,
    Series,
    Suite,
    Test,
)
from tailrace.alerts.rules.fields import Fields, labels_of
from tailrace.alerts.rules.language import located
from tailrace.alerts.rules.nodes import Node, Scalar, documents
from tailrace.alerts.rules.source import Problem, Refused, Source, source_of
from tailrace.alerts.rules.within import index_within
from tailrace.core.alerting import Labels
from tailrace.core.errors import QueryError
from tailrace.core.limits import LINE_BYTES, QUERY_TEXT_BYTES, RULE_TEST_CASES, RULE_TEST_SAMPLES
from tailrace.query.pipeline import units
from tailrace.query.promql.ast import NAME
from tailrace.query.times import SECOND_NS, parse_time

INTERVAL_NS = 60 * SECOND_NS
# 2000-01-01. The store takes 0 for no time, and a line at 1 would be within windows that 0 is not.
LOGS_START_NS = 946_684_800 * SECOND_NS
_FILE = ("rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests")
_TEST = (
    "name", "interval", "start_timestamp", "input_series", "input_logs", "alert_rule_test",
    "promql_expr_test", "external_labels", "external_url",
)  # fmt: skip
# As YAML writes what is no number of decimals.
_YAML_NUMBERS = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
_BOOLS = {"": False, "true": True, "false": False}
_BOUND = "RULE_TEST_CASES"


@dataclass(frozen=True)
class Reading:
    """`suite` is None when there is an error among the `problems`."""

    suite: Suite | None
    problems: tuple[Problem, ...]


def read(text: str | bytes) -> Reading:
    """Never raises: what is wrong with the text is in the problems."""
    source = source_of(text)
    suite = None
    if not source.failed:
        try:
            suite = _Reader(source).suite()
        except Refused as refused:
            source.error(refused.index, str(refused))
    return Reading(None if source.failed else suite, source.problems)


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        # Samples that the file may still have.
        self._left = RULE_TEST_SAMPLES

    def suite(self) -> Suite | None:
        found = documents(self._source)
        if len(found) != 1:
            index = found[1].start if found else 0
            self._source.error(index, "one document with tests is expected")
            return None
        fields = Fields(self._source, found[0], "a file of tests", _FILE)
        interval_ns = self._interval(fields, "evaluation_interval", INTERVAL_NS)
        order = self._texts(fields, "group_eval_order")
        for number, name in enumerate(order):
            if name in order[:number]:
                self._source.error(fields.key("group_eval_order"), f"{name[:100]!r} is there twice")
        tests = fields.items("tests", RULE_TEST_CASES, _BOUND)
        return Suite(
            rule_files=self._texts(fields, "rule_files"),
            interval_ns=interval_ns,
            order=order,
            fuzzy=self._bool(fields, "fuzzy_compare"),
            tests=tuple(self._test(node, interval_ns) for node in tests),
        )

    def _test(self, node: Node, interval_ns: int) -> Test:
        fields = Fields(self._source, node, "a test", _TEST)
        return Test(
            name=fields.text("name"),
            line=self._line(node),
            start_ns=self._start(fields),
            interval_ns=self._interval(fields, "interval", interval_ns),
            series=tuple(map(self._series, self._cases(fields, "input_series"))),
            lines=tuple(map(self._lines, self._cases(fields, "input_logs"))),
            alerts=tuple(map(self._alert_test, self._cases(fields, "alert_rule_test"))),
            exprs=tuple(map(self._expr_test, self._cases(fields, "promql_expr_test"))),
            external_labels=dict(labels_of(fields.named("external_labels"))),
            external_url=fields.text("external_url"),
        )

    def _cases(self, fields: Fields, name: str) -> tuple[Node, ...]:
        return fields.items(name, RULE_TEST_CASES, _BOUND)

    def _series(self, node: Node) -> Series:
        fields = Fields(self._source, node, "a series", ("series", "values"))
        described = fields.scalar("series")
        found = self._labels(described)
        if NAME not in dict(found):
            index = described.start if described else fields.start
            self._source.error(index, "a series needs a name")
        return Series(found, self._values(fields.scalar("values")))

    def _lines(self, node: Node) -> Lines:
        """Ours: promtool knows no logs."""
        fields = Fields(self._source, node, "a stream", ("labels", "line", "counts"))
        found = self._labels(fields.scalar("labels"))
        if not found or NAME in dict(found):
            self._source.error(fields.key("labels"), 'labels have to be such as {app="shop"}')
        counted = self._values(fields.scalar("counts"))
        numbers = (one for one in counted if one != "stale" and math.isfinite(one or 0))
        counts = tuple(int(one or 0) for one in numbers)
        self._left -= sum(counts)
        if min(counts, default=0) < 0 or self._left < 0:
            message = f"counts are from 0, and at most {RULE_TEST_SAMPLES} in all"
            self._source.error(fields.key("counts"), f"{message} (RULE_TEST_SAMPLES)")
            counts = ()
        return Lines(found, fields.text("line", LINE_BYTES), counts)

    def _alert_test(self, node: Node) -> AlertTest:
        known = ("eval_time", "alertname", "exp_alerts")
        fields = Fields(self._source, node, "a test of alerts", known)
        name = fields.text("alertname")
        if not name:
            self._source.error(fields.start, "a test of alerts needs an alertname")
        expected = tuple(map(self._expected_alert, self._cases(fields, "exp_alerts")))
        return AlertTest(fields.duration("eval_time", 0), name, expected, self._line(node))

    def _expected_alert(self, node: Node) -> ExpectedAlert:
        fields = Fields(self._source, node, "an alert", ("exp_labels", "exp_annotations"))
        return ExpectedAlert(
            tuple((k, v) for k, v in labels_of(fields.named("exp_labels")) if v),
            labels_of(fields.named("exp_annotations")),
        )

    def _expr_test(self, node: Node) -> ExprTest:
        known = ("expr", "eval_time", "exp_samples")
        fields = Fields(self._source, node, "a test of an expression", known)
        expr = fields.text("expr", QUERY_TEXT_BYTES)
        self._check(fields, expr)
        expected = tuple(map(self._sample, self._cases(fields, "exp_samples")))
        return ExprTest(fields.duration("eval_time", 0), expr, expected, self._line(node))

    def _check(self, fields: Fields, expr: str) -> None:
        found = fields.scalar("expr")
        if found is None:
            self._source.error(fields.start, "a test of an expression needs an expr")
            return
        try:
            parsed("promql", expr)
        except QueryError as error:
            offset, words = located(error, expr)
            self._source.error(self._within(found, offset), f"expr: {words}")

    def _sample(self, node: Node) -> tuple[Labels, float]:
        fields = Fields(self._source, node, "a sample", ("labels", "value"))
        found = fields.scalar("value")
        text = found.value if found else "0"
        value = _YAML_NUMBERS.get(text.lower(), units.number(text))
        if value is None:
            index = found.start if found else fields.start
            self._source.error(index, f"value has to be a number, not {text[:40]!r}")
            value = 0.0
        return self._labels(fields.scalar("labels")), value

    def _labels(self, found: Scalar | None) -> Labels:
        try:
            return labels(found.value) if found else ()
        except BadNotation as bad:
            assert found
            self._source.error(self._within(found, bad.at), str(bad))
            return ()

    def _values(self, found: Scalar | None) -> tuple[Value, ...]:
        if found is None:
            return ()
        try:
            made = values(found.value, self._left)
        except BadNotation as bad:
            self._source.error(self._within(found, bad.at), str(bad))
            return ()
        self._left -= len(made)
        return made

    def _start(self, fields: Fields) -> int:
        found = fields.scalar("start_timestamp")
        if found is None:
            return LOGS_START_NS if fields.has("input_logs") else 0
        try:
            return parse_time(found.value, "start_timestamp")
        except QueryError as error:
            self._source.error(found.start, str(error))
            return 0

    def _interval(self, fields: Fields, name: str, default_ns: int) -> int:
        found = fields.duration(name, default_ns)
        return found or default_ns

    def _bool(self, fields: Fields, name: str) -> bool:
        text = fields.text(name)
        if text.lower() not in _BOOLS:
            self._source.error(fields.key(name), f"{name} has to be true or false")
        return _BOOLS.get(text.lower(), False)

    def _texts(self, fields: Fields, name: str) -> tuple[str, ...]:
        found = []
        for node in fields.items(name, RULE_TEST_CASES, _BOUND):
            if isinstance(node, Scalar):
                found.append(node.value)
            else:
                self._source.error(node.start, f"{name} is a list of texts")
        return tuple(found)

    def _line(self, node: Node) -> int:
        return self._source.place(node.start)[0]

    def _within(self, found: Scalar, offset: int) -> int:
        return index_within(self._source.text, found, offset)
