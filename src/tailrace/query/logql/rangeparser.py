"""Range aggregations: `function(log query [range])`.

log-range = log, with "[" duration "]" [ "offset" duration ] after the selector or at the end, and
            at the end of the stages "|" "unwrap" ( name | conversion "(" name ")" ) { filter }
"""

from __future__ import annotations

import math

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


class Ranges(Stages):
    """Reads range aggregations. Raises QueryError."""

    def _range(self) -> RangeAggregation:
        start = self._next()
        function = start.text
        self._expect("(", f"after {function}")
        parameter = None
        if function == "quantile_over_time":
            parameter = self._quantile()
        read = _LogRange(self)
        read.read()
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


class _LogRange:
    """The parts of a log range as they come."""

    def __init__(self, parser: Ranges) -> None:
        self._parser = parser
        self.matchers: tuple[Matcher, ...] = ()
        self.stages: list[Stage] = []
        self.unwrap: Unwrap | None = None
        self.range_ns: int | None = None
        self.offset_ns = 0

    def read(self) -> None:
        parser = self._parser
        if parser._is("("):
            parser._enter()
            parser._next()
            self.read()
            parser._expect(")", "to close the parenthesis")
            parser._leave()
        else:
            self.matchers = parser._selector()
        while self._more():
            pass

    def _more(self) -> bool:
        """Read one part more, if there is one."""
        parser = self._parser
        if parser._is("[") and self.range_ns is None:
            self.range_ns = parser._window()
            self.offset_ns = parser._offset()
        elif parser._begins_unwrap():
            if self.unwrap is not None:
                raise parser._fail("a second unwrap")
            self.unwrap = parser._unwrap()
        elif parser._begins_stage():
            self._add(parser._stage())
        else:
            return False
        return True

    def _add(self, stage: Stage) -> None:
        if self.unwrap is None:
            self.stages.append(stage)
            return
        if not isinstance(stage, LabelFilter):
            message = "only label filters may follow unwrap"
            raise self._parser._fail(message)
        old = self.unwrap
        self.unwrap = Unwrap(old.label, old.conversion, (*old.filters, stage), old.position)
