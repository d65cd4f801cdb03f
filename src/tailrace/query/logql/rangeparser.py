"""Range aggregations: `function(log query [range])`.

log-range = log, with "[" duration "]" [ "offset" duration ] after the selector or at the end, and
            at the end of the stages "|" "unwrap" ( name | conversion "(" name ")" ) { filter }
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tailrace.query.logql.ast import (
    Conversion,
    LabelFilter,
    LogQuery,
    Matcher,
    RangeAggregation,
    Stage,
    Unwrap,
)
from tailrace.query.logql.duration import parse_duration
from tailrace.query.logql.stages import Stages
from tailrace.query.matrix.grouping import Grouping

_UNWRAPPED = frozenset(
    {"sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "stddev_over_time",
     "stdvar_over_time", "quantile_over_time", "first_over_time", "last_over_time", "rate_counter"}
)  # fmt: skip
_LINES = frozenset({"count_over_time", "bytes_rate", "bytes_over_time"})
RANGE_FUNCTIONS = _UNWRAPPED | _LINES | {"rate", "absent_over_time"}
_GROUPED = _UNWRAPPED - {"sum_over_time", "rate_counter"}
_CONVERSIONS: dict[str, Conversion] = {
    "bytes": "bytes", "duration": "duration", "duration_seconds": "duration_seconds"
}  # fmt: skip


@dataclass
class _LogRange:
    """The parts of a log range, as far as they are read."""

    matchers: tuple[Matcher, ...] = ()
    stages: list[Stage] = field(default_factory=list)
    unwrap: Unwrap | None = None
    range_ns: int | None = None
    offset_ns: int = 0


class Ranges(Stages):
    """Reads range aggregations. Raises QueryError."""

    def _range(self) -> RangeAggregation:
        start = self._next()
        function = start.text
        self._expect("(", f"after {function}")
        parameter = None
        if function == "quantile_over_time":
            parameter = self._quantile()
        read = _LogRange()
        self._log_range(read)
        if read.range_ns is None:
            self._expect("[", "and a duration after the log query")
        self._expect(")", f"to close {function}")
        if function in _UNWRAPPED and read.unwrap is None:
            raise self._fail(f"{function} needs an unwrap such as | unwrap duration", start)
        if function in _LINES and read.unwrap is not None:
            raise self._fail(f"{function} takes no unwrap", start)
        assert read.range_ns is not None
        query = LogQuery(read.matchers, tuple(read.stages))
        return RangeAggregation(
            function, query, read.range_ns, read.offset_ns, read.unwrap, parameter,
            self._range_grouping(function), start.position,
        )  # fmt: skip

    def _log_range(self, read: _LogRange) -> None:
        if self._is("("):
            self._enter()
            self._next()
            self._log_range(read)
            self._expect(")", "to close the parenthesis")
            self._leave()
        else:
            read.matchers = self._selector()
        while self._part(read):
            pass

    def _part(self, read: _LogRange) -> bool:
        """Read one part more, if there is one."""
        if self._is("[") and read.range_ns is None:
            read.range_ns = self._window()
            read.offset_ns = self._offset()
        elif self._begins_unwrap():
            if read.unwrap is not None:
                raise self._fail("a second unwrap")
            read.unwrap = self._unwrap()
        elif self._begins_stage():
            self._add(read, self._stage())
        else:
            return False
        return True

    def _add(self, read: _LogRange, stage: Stage) -> None:
        if read.unwrap is None:
            read.stages.append(stage)
            return
        if not isinstance(stage, LabelFilter):
            raise self._fail("only label filters may follow unwrap")
        old = read.unwrap
        read.unwrap = Unwrap(old.label, old.conversion, (*old.filters, stage), old.position)

    def _quantile(self) -> float:
        sign = -1.0 if self._is("-") else 1.0
        if self._is("-", "+"):
            self._next()
        if self._now.kind != "number":
            raise self._fail(f"quantile_over_time needs a number first, found {self._now.shown}")
        value = sign * float(self._next().text)
        if math.isinf(value):
            raise self._fail("the number is too large")
        self._expect(",", "after the number of quantile_over_time")
        return value

    def _range_grouping(self, function: str) -> Grouping | None:
        if self._word("by", "without") and function not in _GROUPED:
            raise self._fail(f"{function} takes no grouping; write sum by (...) around it")
        return self._grouping()

    def _window(self) -> int:
        self._expect("[", "and a duration after the log query")
        token = self._now
        range_ns = self._duration("after [")
        if range_ns <= 0:
            raise self._fail("the range must be longer than 0", token)
        self._expect("]", "after the duration")
        return range_ns

    def _duration(self, context: str) -> int:
        token = self._now
        if token.kind != "duration":
            raise self._fail(f"expected a duration {context}")
        value = parse_duration(self._next().text)
        if value is None:
            raise self._fail("the duration is longer than ten years", token)
        return value

    def _offset(self) -> int:
        if not self._word("offset"):
            return 0
        self._next()
        sign = -1 if self._is("-") else 1
        if sign < 0:
            self._next()
        return sign * self._duration("after offset")

    def _begins_unwrap(self) -> bool:
        named = self._following.kind == "name" and self._following.text == "unwrap"
        if not (self._is("|") and named):
            return False
        after = self._tokens[min(self._at + 2, len(self._tokens) - 1)]
        return after.kind == "name"

    def _unwrap(self) -> Unwrap:
        bar = self._next()
        self._count(bar)
        self._next()
        name = self._name("after unwrap")
        if not self._is("("):
            return Unwrap(name.text, position=bar.position)
        if name.text not in _CONVERSIONS:
            known = "bytes, duration and duration_seconds"
            raise self._fail(f"unwrap converts with {known}, not with {name.text}", name)
        self._next()
        label = self._name(f"in {name.text}").text
        self._expect(")", f"to close {name.text}")
        return Unwrap(label, _CONVERSIONS[name.text], position=bar.position)
