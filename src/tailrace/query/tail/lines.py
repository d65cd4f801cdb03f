"""Line filters on rows as Python has them: the part of a pipeline that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import LineFilter, Stage
from tailrace.query.needle import line_regex
from tailrace.query.tail.patterns import compiled

Test = Callable[[str], bool]


@dataclass(frozen=True)
class Labels:
    """The labels of a row by where they come from."""

    of_stream: Mapping[str, str]
    of_row: Mapping[str, str]

    def stream(self) -> Mapping[str, str]:
        return self.of_stream

    def metadata(self) -> Mapping[str, str]:
        return self.of_row

    def parsed(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class Row:
    """What became of a row that passed."""

    line: str
    labels: Labels


class Pipeline:
    """The stages of a query. Raises QueryError for one that is no line filter."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._tests = [_test(stage) for stage in stages]

    def process(
        self, time_ns: int, line: str, stream: Mapping[str, str], metadata: Mapping[str, str]
    ) -> Row | None:
        """The row after all stages; None when one of them does not let it pass."""
        for test in self._tests:
            if not test(line):
                return None
        return Row(line, Labels(stream, metadata))


def _test(stage: Stage) -> Test:
    if not isinstance(stage, LineFilter) or stage.op not in ("|=", "!=", "|~", "!~"):
        raise _refused(stage)
    if any(needle.ip for needle in stage.needles):
        raise _refused(stage)
    found = [_finder(stage, needle.value) for needle in stage.needles]
    if stage.op.startswith("|"):
        return found[0] if len(found) == 1 else lambda line: any(one(line) for one in found)
    return lambda line: not any(one(line) for one in found)


def _finder(stage: LineFilter, wanted: str) -> Test:
    if stage.op in ("|=", "!="):
        return lambda line: wanted in line
    search = compiled(line_regex(wanted), stage.position).search
    return lambda line: search(line) is not None


def _refused(stage: Stage) -> QueryError:
    place = stage.position
    return QueryError(f"the stage at character {place + 1} is not supported in a live tail", place)
