"""Runs tests/query/promql/scripts/*.test: load these series, evaluate that, expect this.

The form is that of Prometheus' own scripts. Lines that begin with # and empty ones say nothing; an
indented line belongs to the one above it. Time 0 is 2026-01-01T00:00:00Z, a Thursday, 1767225600
seconds after 1970; times and durations are such as 90, 5m, 1h30m or 250ms.

    load STEP
        NAME{LABEL="VALUE", ...} VALUE...
            A series with a sample every STEP from 0 on. Names in quotes hold anything:
            {"system.cpu", "host.name"="a"}. Values are a number, NaN, Inf, -Inf or stale, the
            marker that ends a series; _ is no sample and _x3 three times none; a+bx3 is a and
            three more, each b larger; a-bx3 each b less; ax3 is a and three more of it.
    clear
        Forgets what was loaded. All that is loaded stands before the first eval after it.

    eval instant at TIME QUERY
    eval range from TIME to TIME step STEP QUERY
        NAME{LABEL="VALUE", ...} VALUE...
            Each series of the answer and its value at each step, _ for none, written as above.
        VALUE...
            The answer where it is a number.
        expect ordered
            The series come in this order. (Without it in any.)
        expect fail TEXT
            The query is refused, and TEXT is in the refusal: its words, or LINE:COLUMN.
        expect info TEXT
            A remark on the answer has TEXT in it. (Without it there is no remark.)

Values are equal to 1e-9 of their size. A range is asked for twice, the second time of the steps
that are remembered. Every fourth vector at one time is also asked for in the middle of a range,
twice, where order does not count.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import Question, asking
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, Scalar, Value
from tailrace.query.plan import Grid, grid
from tailrace.query.promql.ast import Call, Expression, walk
from tailrace.query.promql.functions import OF_THE_RANGE
from tailrace.query.promql.parser import parse
from tailrace.query.promql.samples import Samples
from tailrace.query.service import QueryService

from ..conftest import BASE_S

STALE = "reinterpretAsFloat64(toUInt64(9218868437227405314))"
MINUTE = 60.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
PART = re.compile(r"([\d.]+)(ms|[smhdw])")
NUMBER = r"[+-]?(?:[\d.]+(?:e[+-]?\d+)?|Inf|NaN)"
RISING = re.compile(rf"({NUMBER})(?:([+-][\d.]+(?:e[+-]?\d+)?))?x(\d+)")
QUOTED = r'"(?:[^"\\]|\\.)*"'
LABEL = re.compile(rf"\s*({QUOTED}|[\w.]+)\s*(?:=\s*({QUOTED}))?\s*(?:,|$)")
SERIES = re.compile(rf'([a-zA-Z_:][\w:]*)?(?:\{{((?:{QUOTED}|[^"}}])*)\}})?\s*(.*)')
INSTANT = re.compile(r"eval instant at (\S+) (.+)")
RANGE = re.compile(r"eval range from (\S+) to (\S+) step (\S+) (.+)")
EXPECT = re.compile(r"expect (ordered|fail|info)\s*(.*)")

# A value of a sample: a number, "stale", or None where there is none.
Sample = float | str | None
Answer = list[tuple[Labels, list[Sample]]]


@dataclass(frozen=True)
class Series:
    labels: Labels
    values: list[Sample]


@dataclass(frozen=True)
class Load:
    """Series with a sample every `step_s`."""

    step_s: float
    series: list[Series] = field(default_factory=list)


@dataclass(eq=False)
class Case:
    """One evaluation, where it stands, and what is expected of it. `numbers`: of a number.
    `widened`: to be asked in the middle of a range, too."""

    path: Path
    line: int
    query: str
    start_s: float
    end_s: float
    step_s: float
    loads: list[Load]
    series: list[Series] = field(default_factory=list)
    numbers: list[Sample] | None = None
    widened: bool = False
    ordered: bool = False
    fails: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)

    @property
    def instant(self) -> bool:
        return self.start_s == self.end_s

    @property
    def grid(self) -> Grid:
        return on(self.start_s, self.end_s, self.step_s)


def on(start_s: float, end_s: float, step_s: float) -> Grid:
    times = (round((BASE_S + one) * 1000) * 10**6 for one in (start_s, end_s))
    return grid(*times, round(step_s * 1000) * 10**6)


def seconds(text: str) -> float:
    parts = PART.findall(text)
    if not parts:
        return float(text)
    assert "".join(map("".join, parts)) == text, text
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def samples(text: str) -> list[Sample]:
    """The values that a notation stands for."""
    found: list[Sample] = []
    for word in text.split():
        if matched := re.fullmatch(r"_(?:x(\d+))?", word):
            found += [None] * int(matched[1] or 1)
        elif matched := RISING.fullmatch(word):
            first, each = float(matched[1]), float(matched[2] or 0)
            found += [first + each * number for number in range(int(matched[3]) + 1)]
        else:
            found.append(word if word == "stale" else float(word))
    return found


def series(line: str) -> Series:
    matched = SERIES.fullmatch(line)
    assert matched and (matched[1] or matched[2] is not None), line
    own = {"__name__": matched[1]} if matched[1] else {}
    inner, at = (matched[2] or "").strip(), 0
    while at < len(inner):
        label = LABEL.match(inner, at)
        assert label, line
        name = json.loads(label[1]) if label[1].startswith('"') else label[1]
        own |= {"__name__": name} if label[2] is None else {name: json.loads(label[2])}
        at = label.end()
    return Series(tuple(sorted(own.items())), samples(matched[3]))


def evaluation(path: Path, number: int, line: str, loads: list[Load]) -> Case:
    if matched := INSTANT.fullmatch(line):
        at = seconds(matched[1])
        return Case(path, number, matched[2], at, at, MINUTE, loads)
    matched = RANGE.fullmatch(line)
    assert matched, line
    start, end, step = map(seconds, matched.groups()[:3])
    return Case(path, number, matched[4], start, end, step, loads)


def expected(case: Case, line: str) -> None:
    if matched := EXPECT.fullmatch(line):
        word, text = matched.groups()
        assert (word == "ordered") == (not text), line
        if word == "ordered":
            case.ordered = True
        else:
            (case.fails if word == "fail" else case.infos).append(text)
    elif re.match(r"[a-zA-Z_:{]", line) and not re.fullmatch("(NaN|Inf|_)[^{]*", line):
        case.series.append(series(line))
    else:
        assert case.numbers is None, line
        case.numbers = samples(line)


def read(path: Path) -> Iterator[Case]:
    """The cases of a file."""
    loads: list[Load] = []
    above: Load | Case | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            assert above is not None, line
            if isinstance(above, Load):
                above.series.append(series(line.strip()))
            else:
                expected(above, line.strip())
            continue
        if isinstance(above, Case):
            yield above
        if line == "clear":
            loads, above = [], None
        elif line.startswith("load "):
            assert above is None or isinstance(above, Load), f"{path.name}:{number}: load first"
            above = Load(seconds(line[5:]))
            loads.append(above)
        else:
            above = evaluation(path, number, line, loads)
    if isinstance(above, Case):
        yield above


SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.test"))
CASES = [case for path in SCRIPTS for case in read(path)]
for case in CASES[::4]:
    case.widened = case.instant and case.numbers is None and not case.fails


def sql(value: Sample) -> str:
    if value == "stale":
        return STALE
    return repr(value)


def stored(loads: list[Load]) -> list[Any]:
    """As the fixture `engine` takes it; a series may be in several loads."""
    found = []
    for load in loads:
        for one in load.series:
            own = dict(one.labels)
            points = [(n * load.step_s, sql(v)) for n, v in enumerate(one.values) if v is not None]
            found.append((own.pop("__name__"), own, points))
    return found


@pytest.fixture(scope="module")
def tenants(engine: Any) -> dict[int, str]:
    """The tenant with what is loaded of each case, by the identity of its loads."""
    found: dict[int, str] = {}
    for case in CASES:
        if id(case.loads) not in found:
            found[id(case.loads)] = engine.tenant()
            if series := stored(case.loads):
                engine.load_samples(found[id(case.loads)], series)
    return found


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def answer(found: Value) -> Answer:
    assert isinstance(found, Matrix)
    return [
        (labels, [value if there else None for value, there in zip(row, present, strict=True)])
        for labels, row, present in zip(
            found.labels, found.values.tolist(), found.present.tolist(), strict=True
        )
        if any(present)
    ]


def same(left: Sample, right: Sample) -> bool:
    if left is None or right is None:
        return left is right
    assert isinstance(left, float) and isinstance(right, float)
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=1e-9)


def check_values(case: Case, found: list[Sample], wanted: list[Sample]) -> None:
    assert len(found) == len(wanted), (case.query, found, wanted)
    assert all(map(same, found, wanted)), (case.query, found, wanted)


def check(case: Case, found: Value, ordered: bool = False, at: int | None = None) -> None:
    """`at`: only the step with this number."""
    if case.numbers is not None:
        assert isinstance(found, Scalar) and not case.series, case.query
        return check_values(case, found.values.tolist(), case.numbers)
    got, wanted = answer(found), [(one.labels, one.values) for one in case.series]
    if at is not None:
        got = [(labels, [values[at]]) for labels, values in got if values[at] is not None]
    if not ordered:
        got, wanted = sorted(got, key=lambda one: one[0]), sorted(wanted, key=lambda one: one[0])
    assert [labels for labels, _ in got] == [labels for labels, _ in wanted], case.query
    for (_, some), (_, others) in zip(got, wanted, strict=True):
        check_values(case, some, others)
    return None


def of_the_range(tree: Expression) -> bool:
    """Whether the answer is another one in the middle of a range."""
    return any(getattr(one, "at", None) in ("start", "end") for one in walk(tree)) or any(
        isinstance(one, Call) and one.function in OF_THE_RANGE for one in walk(tree)
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path.stem}-{case.line}")
def test_a_case_of_a_script(
    engine: Any, tenants: dict[int, str], runner: asyncio.Runner, case: Case
) -> None:
    questions = Samples(QueryService(engine))
    tenant = tenants[id(case.loads)]

    def ask(where: Grid) -> tuple[Value, list[str]]:
        async def body() -> tuple[Value, list[str]]:
            with asking(Question(tenant)) as question:
                found = await questions.value(parse(case.query), tenant, where)
            return found, list(question.remarks)

        return runner.run(body())

    if case.fails:
        assert not case.series and case.numbers is None
        with pytest.raises(QueryError) as caught:
            ask(case.grid)
        for text in case.fails:
            assert text in str(caught.value)
        return
    grids: list[tuple[Grid, int | None]] = [(case.grid, None)] * (1 if case.instant else 2)
    if case.widened and not of_the_range(parse(case.query)):
        grids += [(on(case.start_s - MINUTE, case.start_s + MINUTE, MINUTE), 1)] * 2
    for where, at in grids:
        found, infos = ask(where)
        check(case, found, case.ordered and at is None, at)
        assert bool(infos) == bool(case.infos), infos
        for text in case.infos:
            assert any(text in info for info in infos), infos


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) >= 600
