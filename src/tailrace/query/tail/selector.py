"""The stream selector of a query, on rows as Python has them; its SQL is in logs/pushdown.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailrace.query.labels import BUILT_IN
from tailrace.query.logql.ast import Matcher
from tailrace.query.pipeline.regex import value_test
from tailrace.query.tail.rows import Origin

Test = Callable[[str], bool]
_OF_A_ROW = {"TraceId": 6, "SpanId": 7}


class Selector:
    """All matchers together; the parser has judged their patterns."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self._of_streams: list[tuple[str, Test]] = []
        self._of_rows: list[tuple[int, Test]] = []
        for matcher in matchers:
            column = BUILT_IN.get(matcher.name, "")
            test = value_test(matcher.op, matcher.value, matcher.position)
            if column in _OF_A_ROW:
                self._of_rows.append((_OF_A_ROW[column], test))
            else:
                self._of_streams.append((matcher.name, test))

    def takes_stream(self, origin: Origin) -> bool:
        """Whether rows of this stream may be selected."""
        return all(test(origin.value(name)) for name, test in self._of_streams)

    def takes_row(self, row: Sequence[object]) -> bool:
        """Whether a row of a stream that is taken is selected."""
        return all(test(str(row[place])) for place, test in self._of_rows)
