"""What a file of unit tests says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.alerts.promtool.notation import Value
from tailrace.core.alerting import Labels


@dataclass(frozen=True)
class Series:
    """A value every interval of its test, from its start on."""

    labels: Labels
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Lines:
    """A line of the stream with `labels`, so many times at each interval of its test."""

    labels: Labels
    line: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ExpectedAlert:
    """`labels` without `alertname`, as in the file."""

    labels: Labels
    annotations: Labels


@dataclass(frozen=True)
class AlertTest:
    """Alerts of a name that fire at a time, nanoseconds after the test's start."""

    at_ns: int
    name: str
    expected: tuple[ExpectedAlert, ...]
    line: int


@dataclass(frozen=True)
class ExprTest:
    """What an expression gives at a time, nanoseconds after the test's start."""

    at_ns: int
    expr: str
    expected: tuple[tuple[Labels, float], ...]
    line: int


@dataclass(frozen=True)
class Test:
    """One of `tests`. `start_ns`: UTC, of its first samples and its first evaluation."""

    __test__ = False  # pytest takes it for one of its own

    name: str
    line: int
    start_ns: int
    interval_ns: int
    series: tuple[Series, ...]
    lines: tuple[Lines, ...]
    alerts: tuple[AlertTest, ...]
    exprs: tuple[ExprTest, ...]
    external_labels: Mapping[str, str]
    external_url: str

    @property
    def last_ns(self) -> int:
        """The last time that is asked for, after the start."""
        times = [one.at_ns for one in self.alerts] + [one.at_ns for one in self.exprs]
        return max(times, default=0)


@dataclass(frozen=True)
class Suite:
    """`rule_files`: patterns, from the folder of the file. `fuzzy`: numbers may differ in the last
    bit."""

    rule_files: tuple[str, ...]
    interval_ns: int
    order: tuple[str, ...]
    fuzzy: bool
    tests: tuple[Test, ...]
