"""Runs tests/query/scripts/*.test: load these rows, ask that, expect this.

A file has rows and then questions, each with what is expected below it. Lines that begin with # and
empty ones say nothing; a line that begins with a space continues the one before, after a newline.

    load SECOND LEVEL SERVICE OPTION... | LINE
        A row. Options: host=h1, weight=20, trace=t, span=s, resource.KEY=VALUE (a label of its
        stream), attribute.KEY=VALUE (its structured metadata).

    eval METRIC at START..END step SECONDS, or eval METRIC at SECOND
        expect LABELS | VALUES     a series, name=value and its value at each step, _ for none.
        Series are sorted by their labels; with "sorted" in place of "eval" they are as answered.
        Each is asked twice: as it is made SQL, and with every row through the pipeline.
    bounds METRIC at SECOND
        expect LABELS | LOW HIGH   the 95% interval, or "exact" in place of it
    notes METRIC at SECOND
        expect TEXT                each remark on the answer

    lines LOG, or page N forward LOG, or page N backward LOG
        expect LINE                each line that passes, oldest first, or the first N of a page
    labels LOG
        expect LABELS | LINE       the same, with the labels that the stages made
    every LOG
        expect LABELS | LINE       with the labels of the stream and structured metadata as well

    error QUERY
        expect TEXT                words of the refusal, with LINE:COLUMN where the text is wrong

Values of labels with a space, a quote, = or | in them, and empty ones, are written as in JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.lexer import placed
from tailrace.query.logql.parser import parse, parse_log, parse_metric
from tailrace.query.logs import ranges
from tailrace.query.logs.condition import NotExpressible
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.matrix.confidence import interval
from tailrace.query.matrix.matrix import Matrix, Scalar
from tailrace.query.numbers import number
from tailrace.query.plan import Grid, grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
SEVERITY = {"unknown": 0, "trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
TIMES = re.compile(r"(.+) at ([\d.]+)(?:\.\.([\d.]+) step ([\d.]+))?", re.S)
PAGE = re.compile(r"(\d+) (forward|backward) (.+)", re.S)
ALL = LogRange(BASE - SECOND, BASE + 10_000 * SECOND, 1_000, forward=True)


@dataclass(frozen=True)
class Case:
    """One question, and where it stands."""

    path: Path
    line: int
    word: str
    question: str
    expected: tuple[str, ...]


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """What says something, with the number of its first line."""
    found: list[tuple[int, str]] = []
    for at, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith(" "):
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        elif line and not line.startswith("#"):
            found.append((at, line))
    return iter(found)


def cases(path: Path) -> Iterator[Case]:
    found: list[tuple[int, str, list[str]]] = []
    for at, line in statements(path):
        word, _, rest = line.partition(" ")
        if word == "expect":
            found[-1][2].append(rest)
        elif word != "load":
            found.append((at, line, []))
    for at, line, expected in found:
        word, _, question = line.partition(" ")
        yield Case(path, at, word, question, tuple(expected))


SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.test"))
CASES = [case for path in SCRIPTS for case in cases(path)]


def row(words: str, seq: int) -> dict[str, Any]:
    """A `load`."""
    before, bar, body = words.partition(" | ")
    assert bar, words
    second, level, service, *options = before.split(" ")
    found: dict[str, Any] = {
        "ns": BASE + int(float(second) * 1000) * SECOND // 1000, "severity": SEVERITY[level],
        "service": service, "host": "", "body": body, "resource": {}, "attributes": {}, "seq": seq,
    }  # fmt: skip
    for option in options:
        name, _, value = option.partition("=")
        kind, dot, key = name.partition(".")
        if dot:
            found[{"resource": "resource", "attribute": "attributes"}[kind]][key] = value
        else:
            assert name in ("host", "weight", "trace", "span"), option
            found[name] = int(value) if name == "weight" else value
    return found


@pytest.fixture(scope="module")
def tenants(engine: Any) -> dict[Path, str]:
    """The tenant with the rows of each script."""
    found = {}
    for path in SCRIPTS:
        loads = [line[5:] for _, line in statements(path) if line.startswith("load ")]
        found[path] = engine.tenant()
        if loads:
            engine.load(found[path], [row(one, seq) for seq, one in enumerate(loads)])
    return found


class Asked:
    """Questions about the rows of one script."""

    def __init__(self, engine: Any, tenant: str) -> None:
        self._logs = Logs(QueryService(engine))
        self._tenant = tenant
        self.remarks: list[str] = []

    def metric(self, text: str, on: Grid) -> Matrix | Scalar:
        with placed(text):
            tree = parse_metric(text)
            with asking(Question(self._tenant)) as question:
                found = asyncio.run(self._logs.metric(tree, self._tenant, on))
        self.remarks = list(question.remarks)
        return found

    def log(self, text: str, wanted: LogRange = ALL) -> Sequence[Any]:
        with placed(text):
            tree = parse_log(text)
            return asyncio.run(self._logs.lines(tree, self._tenant, wanted))

    def any(self, text: str) -> object:
        """Asked however it can be."""
        on = grid(BASE, BASE + 60 * SECOND, 10 * SECOND)
        return self.log(text) if isinstance(parse(text), LogQuery) else self.metric(text, on)


def timed(question: str) -> tuple[str, Grid]:
    matched = TIMES.fullmatch(question)
    assert matched, question
    text, *times = matched.groups()
    start, end, step = (
        BASE + int(float(times[0]) * SECOND),
        BASE + int(float(times[1] or times[0]) * SECOND),
        int(float(times[2] or 1) * SECOND),
    )
    return text, grid(start, end, step)


def shown(labels: Any) -> list[str]:
    return [f"{name}={spelled(value)}" for name, value in sorted(labels)]


def spelled(value: str) -> str:
    plain = re.fullmatch(r'[^\s"=|]+', value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def series(found: Matrix | Scalar, in_order: bool) -> list[str]:
    """`expect` lines of a metric query."""
    if isinstance(found, Scalar):
        return [" ".join(["|", *map(number, found.values.tolist())])]
    lines = []
    for at, labels in enumerate(found.labels):
        values = [
            number(value) if there else "_"
            for value, there in zip(found.values[at].tolist(), found.present[at], strict=True)
        ]
        if set(values) != {"_"}:
            lines.append((labels, " ".join([*shown(labels), "|", *values])))
    return [line for _, line in (lines if in_order else sorted(lines))]


def bounds(found: Matrix | Scalar) -> list[str]:
    assert isinstance(found, Matrix)
    lines = []
    for at, labels in enumerate(found.labels):
        sure = interval(found, at)
        ends = ["exact"] if sure is None else [number(round(float(end[0]), 2)) for end in sure]
        lines.append(" ".join([*shown(labels), "|", *ends]))
    return sorted(lines)


def entries(found: Sequence[Any], with_labels: str) -> list[str]:
    """`expect` lines of a log query."""
    lines = []
    for one in found:
        labels = {**one.metadata, **one.stream} if with_labels == "every" else {}
        labels |= {k: v for k, v in one.parsed.items() if k != "__error_details__"}
        before = [*shown(labels.items()), "|"] if with_labels != "lines" else []
        lines.append(" ".join([*before, one.line]))
    return lines


def answer(case: Case, asked: Asked) -> list[str]:
    if case.word in ("lines", "labels", "every"):
        return entries(asked.log(case.question), case.word)
    if case.word == "page":
        matched = PAGE.fullmatch(case.question)
        assert matched, case.question
        limit, way, text = matched.groups()
        wanted = LogRange(ALL.start_ns, ALL.end_ns, int(limit), way == "forward")
        return entries(asked.log(text, wanted), "lines")
    text, on = timed(case.question)
    found = asked.metric(text, on)
    if case.word == "bounds":
        return bounds(found)
    if case.word == "notes":
        return asked.remarks
    assert case.word in ("eval", "sorted"), case.word
    return series(found, case.word == "sorted")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path.stem}-{case.line}")
def test_a_case_of_a_script(
    engine: Any, tenants: dict[Path, str], monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    asked = Asked(engine, tenants[case.path])
    if case.word == "error":
        with pytest.raises(QueryError) as caught:
            asked.any(case.question)
        assert case.expected
        for words in case.expected:
            assert words in str(caught.value)
        return
    expected = [one.rstrip() for one in case.expected]
    assert [one.rstrip() for one in answer(case, asked)] == expected, case.question
    if case.word in ("eval", "sorted"):
        monkeypatch.setattr(ranges._Asked, "_expressed", not_expressible)
        again = answer(case, Asked(engine, tenants[case.path]))
        assert [one.rstrip() for one in again] == expected, f"row by row: {case.question}"


def not_expressible(_: Any) -> Any:
    raise NotExpressible("here")


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) >= 250
