"""Runs tests/query/scripts/*.test: load these lines, evaluate that, expect this."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.reading import Notes
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.numbers import number
from tailrace.query.plan import grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.test"))
SEVERITY = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
EVAL = re.compile(r"(eval|error) (.+) at (\d+)\.\.(\d+) step (\d+)")


def load(words: str) -> dict[str, Any]:
    second, level, service, body = words.split(" ", 3)
    ns = BASE + int(second) * SECOND
    return {"ns": ns, "severity": SEVERITY[level], "service": service, "body": body, "host": ""}


def evaluate(engine: Any, tenant: str, line: str) -> list[str]:
    matched = EVAL.fullmatch(line)
    assert matched, line
    kind, text, start, end, step = matched.groups()
    on = grid(BASE + int(start) * SECOND, BASE + int(end) * SECOND, int(step) * SECOND)
    try:
        tree = parse(text)
        assert not isinstance(tree, LogQuery)
        value = asyncio.run(Logs(QueryService(engine)).metric(tree, tenant, on, Notes()))
    except QueryError as error:
        assert kind == "error", error
        return [str(error)]
    assert kind == "eval" and isinstance(value, Matrix)
    series = {
        labels: zip(value.values[row].tolist(), value.present[row].tolist(), strict=True)
        for row, labels in enumerate(value.labels)
    }
    return [
        " ".join([
            *(f"{k}={v}" for k, v in labels), "|",
            *(shown(v if there else None) for v, there in pairs),
        ])
        for labels, pairs in sorted(series.items())
    ]  # fmt: skip


def shown(value: float | None) -> str:
    return "_" if value is None else number(value)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(engine: Any, path: Path) -> None:
    tenant = engine.tenant()
    lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
    engine.load(tenant, [load(x[5:]) for x in lines if x.startswith("load ")])
    blocks = re.split(r"^(?=eval |error )", "\n".join(lines), flags=re.M)[1:]
    assert blocks
    for block in blocks:
        question, *expected = block.strip().splitlines()
        got = evaluate(engine, tenant, question)
        want = [x.removeprefix("expect ") for x in expected]
        if question.startswith("error"):
            assert want[0] in got[0]
        else:
            assert got == want, question
