"""Templates of log lines: shapes, what becomes of them, counts over time, HTTP and shell."""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from typing import Any

import httpx
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tailrace.app.commands import patterns as command
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.query.binder import Binder
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.logs.logs import Logs
from tailrace.query.loki.http import routes
from tailrace.query.patterns import miner, table
from tailrace.query.patterns.shapes import ANY, SHAPE_SQL, finished
from tailrace.query.patterns.templates import Steps, Templates, templates
from tailrace.query.service import QueryService

from .conftest import BASE_S, SECOND

SHORT = Policy(Allowance(timeout_s=5))
BASE = BASE_S * SECOND
NOW = BASE + 3_600 * SECOND
HOUR = Steps(BASE, NOW, 600 * SECOND)

# Invented lines in the forms of well-known programs, and their shapes.
SHAPES = [
    ("plain words stay", "plain words stay"),
    ("[Sun Dec 04 04:51:09 2005] [notice] init() child 6728", "[<_>] [notice] init() child <_>"),
    ("Dec 10 06:55:46 lab sshd[24200]: failed", "<_> lab sshd[<_>]: failed"),
    ("2026-01-05T10:00:00.123Z INFO done in 12.5ms", "<_> INFO done in <_>"),
    ("17/06/09 20:10:41 WARN store: 4.1 KB free", "<_> WARN store: <_> KB free"),
    ("blk_-6670958622368987959 added", "blk_<_> added"),
    ("blk_424461424221613461 added", "blk_<_> added"),
    ("boot = -79, init = 119", "boot = <_>, init = <_>"),
    ("from 10.251.214.130:50010:Got reset", "from <_>:Got reset"),
    ("at fe80:1::9f2 and 00:1b:fe:22:aa:01", "at <_> and <_>"),
    ("id a015cf14-beef-4156-a48d-7c4824ac7a9d gone", "id <_> gone"),
    ("key=value rhost=192.0.2.7 user=root", "key=value rhost=<_> user=root"),
    ('{"level":"info","took":0.25,"items":[1,2,3]}', '{"level":"info","took":<_>,"items":[<_>]}'),
    ("deleted 0xff12ab, 77, 12 of node-12", "deleted <_> of node-<_>"),
    ("ask 10.0.0.1 to drop blk_1 blk_2 blk_3", "ask <_> to drop blk_<_>"),
    ("load 45% of 1,024", "load <_>% of <_>"),
    ("Traceback\n  File x line 3", "Traceback<_>"),
    ("\nleading newline", "\nleading newline"),
    ("  7 at the edges 7  ", "<_> at the edges <_>"),
    (" no hole there ", " no hole there "),
    ("", ""),
    ("Wednesday in May is no date", "Wednesday in May is no date"),
    ("naïve café №7", "naïve café №<_>"),
]


def shaped(engine: Any, lines: list[str]) -> list[str]:
    rows = engine.client.query(
        f"SELECT toValidUTF8({SHAPE_SQL}) FROM (SELECT arrayJoin({{a:Array(String)}}) AS Body)",
        parameters={"a": lines},
    ).result_rows
    return [finished(row[0]) for row in rows]


def test_what_varies_in_a_line_is_a_hole(engine: Any) -> None:
    assert shaped(engine, [line for line, _ in SHAPES]) == [shape for _, shape in SHAPES]


def test_a_long_line_is_cut_and_says_so(engine: Any) -> None:
    shapes = shaped(engine, [f"{n} " + f"word {10 ** (n % 7)} " * 300 for n in range(9)])
    assert len(set(shapes)) == 1
    assert len(shapes[0]) < 1_010 and shapes[0].endswith(" <_>")


def test_of_a_line_so_much_is_read(engine: Any) -> None:
    word = "1" * (limits.PATTERN_READ_BYTES - len("from ") - len(" to here"))
    fits, goes_on = shaped(engine, [f"from {word} to here", f"from {word}{word} to here"])
    assert fits == "from <_> to here"
    assert "here" not in goes_on


def test_the_line_matches_its_template_as_a_pattern(engine: Any) -> None:
    """So that `|> "template"` finds the lines again."""
    lines = [line for line, _ in SHAPES]
    for line, shape in zip(lines, shaped(engine, lines), strict=True):
        regex = "(?s)" + ".*".join(map(re2.escape, shape.split(ANY)))
        assert re2.fullmatch(regex, line), (line, shape)


PIECES = st.lists(
    st.sampled_from([ANY, " ", "  ", "a", "Jan", "Sun", "-", "+", ",", ":", "=", "\0", "x<_>", "["])
).map("".join)


@given(st.text(max_size=40) | PIECES)
def test_a_finished_shape_stays_as_it_is_and_has_a_template(text: str) -> None:
    shape = finished(text)
    assert finished(shape) == shape
    assert f"{ANY}{ANY}" not in shape
    assert miner.templates({shape: 1}) == {shape: shape}


@given(st.lists(PIECES.map(finished), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_templates_do_not_depend_on_the_order_of_rows(
    shapes: list[str], randomly: random.Random
) -> None:
    counted = {shape: 1 + len(shape) % 3 for shape in shapes}
    mixed = list(counted.items())
    randomly.shuffle(mixed)
    found = miner.templates(counted)
    assert found == miner.templates(dict(mixed))
    assert set(found) == set(counted)
    # What was found is known the next time, and takes all of it.
    known = set(found.values())
    assert set(miner.templates(counted, known).values()) <= known


def mined(*shapes: str, known: tuple[str, ...] = ()) -> set[str]:
    return set(miner.templates(dict.fromkeys(shapes, 1), known).values())


NAMES = ["root", "admin", "guest", "oracle", "test", "git"]


def test_a_word_that_many_lines_fill_differently_is_a_hole() -> None:
    lines = [f"Invalid user {name} from <_>" for name in NAMES]
    assert mined(*lines) == {"Invalid user <_> from <_>"}
    json = [f'{{"event":"login","user":"{name}","ok":true}}' for name in NAMES]
    assert mined(*json) == {'{"event":"login","user":"<_>","ok":true}'}


def test_two_words_that_vary_together_are_two_holes() -> None:
    lines = [f"Login of user {name} at host {name[::-1]} was denied" for name in NAMES]
    assert mined(*lines) == {"Login of user <_> at host <_> was denied"}


def test_a_few_states_and_verbs_stay_apart() -> None:
    lines = [f"session {verb} for the user" for verb in ("opened", "closed", "renewed")]
    assert mined(*lines) == set(lines)


def test_lines_that_say_different_things_stay_apart() -> None:
    lines = ["INFO cache is warm", "INFO disk is full", "INFO please look out", "INFO all gone now",
             "INFO nothing to do", "INFO see you soon"]  # fmt: skip
    assert mined(*lines) == set(lines)


def test_a_known_template_takes_what_it_matches() -> None:
    known = ("Invalid user <_> from <_>", "other")
    assert mined("Invalid user eve from <_>", known=known) == {known[0]}
    assert mined("Invalid user eve from <_>") == {"Invalid user eve from <_>"}
    assert mined("Invalid group eve from <_>", known=known) == {"Invalid group eve from <_>"}


def test_thousands_of_shapes_are_compared_within_bounds() -> None:
    words = random.Random(1)
    many = {
        " ".join("".join(words.choices("abcdefgh", k=4)) for _ in range(40)): 1 for _ in range(3000)
    }
    assert len(set(miner.templates(many).values())) == 3000


def counted(engine: Any, tenant: str, steps: Steps = HOUR, **more: Any) -> Templates:
    async def run() -> Templates:
        service = QueryService(engine)
        return await templates(
            service.run, lambda bind: [f"Tenant = {bind.text(tenant)}"], steps, **more
        )

    return asyncio.run(run())


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    rows = [
        {"ns": BASE + n * 60 * SECOND, "body": f"Invalid user {NAMES[n % 6]} from 10.0.0.{n}"}
        for n in range(30)
    ]
    rows += [
        {"ns": BASE + 1_200 * SECOND, "body": f"failed job {n}", "severity": 17, "weight": 20}
        for n in range(3)
    ]
    engine.load(name, [*rows, {"ns": NOW + 1, "body": "outside"}])
    engine.load(engine.tenant(), [{"body": "another tenant"}])
    return name


def test_lines_are_counted_by_weight_and_by_step(engine: Any, tenant: str) -> None:
    found = counted(engine, tenant)
    assert [(one.text, one.level, one.total) for one in found.found] == [
        ("failed job <_>", "error", 60), ("Invalid user <_> from <_>", "info", 30),
    ]  # fmt: skip
    assert found.found[0].lines == {BASE + 1_200 * SECOND: 60}
    assert found.found[1].lines == {BASE + n * 600 * SECOND: 10 for n in range(3)}
    assert (found.other, found.every) == ({}, 1)


def test_cells_are_whole_steps_since_1970(engine: Any, tenant: str) -> None:
    late = Steps(BASE + 30 * SECOND, NOW, 600 * SECOND)
    assert counted(engine, tenant, late).found[1].lines[BASE] == 9


def test_what_is_beyond_the_bounds_is_other(
    engine: Any, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "tailrace.query.patterns.templates"
    monkeypatch.setattr(f"{place}.PATTERNS", 1)
    found = counted(engine, tenant)
    assert [one.total for one in found.found] == [60]
    assert found.other == {BASE + n * 600 * SECOND: 10 for n in range(3)}
    monkeypatch.setattr(f"{place}.PATTERNS", 300)
    assert [one.total for one in counted(engine, tenant).found] == [60, 30]
    monkeypatch.setattr(f"{place}.PATTERN_SHAPES", 1)
    found = counted(engine, tenant)
    assert [one.total for one in found.found] == [60]
    assert sum(found.other.values()) == 30
    with pytest.raises(Exception, match="PATTERN_STEPS"):
        Steps(BASE, NOW, SECOND)


def test_of_too_many_rows_one_of_several_is_looked_at(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.tenant()
    engine.load(name, [{"ns": BASE + n, "body": f"line {n}"} for n in range(1000)])
    monkeypatch.setattr("tailrace.query.patterns.templates.PATTERN_ROWS", 250)
    found = counted(engine, name)
    assert found.every == 4
    assert [one.text for one in found.found] == ["line <_>"]
    assert abs(found.found[0].total - 1000) <= 8


def test_no_rows_no_templates(engine: Any) -> None:
    assert counted(engine, engine.tenant()) == Templates([], {})


def ask(engine: Any, tenant: str, **asked: Any) -> httpx.Response:
    service = QueryService(engine, None, ManualClock(NOW), policy=SHORT)
    app = Starlette(routes=routes(Logs(service), lambda connection: tenant))

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/loki/api/v1/patterns", params=asked)

    return asyncio.run(run())


def test_the_endpoint_answers_in_lokis_shape(engine: Any, tenant: str) -> None:
    asked = {"start": BASE, "end": NOW, "step": "600s"}
    answer = ask(engine, tenant, query='{service_name="web"} |= "user"', **asked)
    assert answer.json() == {
        "status": "success",
        "data": [{
            "pattern": "Invalid user <_> from <_>", "level": "info",
            "samples": [[BASE_S + n * 600, 10] for n in range(3)],
        }],
        "other": [],
        "every": 1,
    }  # fmt: skip
    assert len(ask(engine, tenant, query='{service_name="web"}').json()["data"]) == 2
    assert ask(engine, tenant, query='{service_name="none"}').json()["data"] == []
    assert ask(engine, engine.tenant(), query='{service_name="web"}').json()["data"] == []


def test_a_step_too_short_for_the_range_becomes_a_multiple(engine: Any, tenant: str) -> None:
    asked = {"query": '{service_name="web"}', "start": BASE, "end": NOW, "step": "7s"}
    [first, *_] = ask(engine, tenant, **asked).json()["data"]
    assert all(time % 14 == 0 for time, _ in first["samples"])
    for width in (0, 1, 497, 498, 499, 500, 501, 5_000):
        asked["end"] = BASE + 1 + width * 7 * SECOND
        assert ask(engine, tenant, **asked).status_code == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "query is missing"),
        ({"query": "{"}, "1:2"),
        ({"query": "{}"}, "matcher"),
        ({"query": 'rate({a="b"}[1m])'}, "log query"),
        ({"query": '{a="b"}', "step": "x"}, "step='x'"),
        ({"query": '{a="b"}', "start": "2", "end": "1"}, "before"),
        ({"query": '{a=~"["}'}, "RE2"),
    ],
)
def test_what_is_wrong_is_refused_with_its_reason(
    engine: Any, tenant: str, asked: dict[str, str], words: str
) -> None:
    answer = ask(engine, tenant, **asked)
    assert answer.status_code == 400 and words in answer.text


def test_values_never_become_sql(engine: Any, tenant: str) -> None:
    engine.statements.clear()
    ask(engine, tenant, query="{service_name=\"'); DROP TABLE logs; --\"} |= `%_'`")
    assert engine.statements and not any("DROP" in sql for sql in engine.statements)


ANSWER = {
    "data": [
        {"pattern": "a <_>", "level": "info", "samples": [[0, 1], [10, 8]]},
        {"pattern": "b\x1b[2J", "level": "info", "samples": [[0, 3]]},
        {"pattern": "c", "level": "info", "samples": [[0, 2]]},
    ],
    "other": [[10, 2]],
    "every": 3,
}


def test_the_table_has_count_share_trend_and_template() -> None:
    rows = list(table.render(ANSWER, 0, 20, 2))
    assert [re.split(r"\s{2,}", row.strip()) for row in rows] == [
        ["lines", "share", "trend", "template"],
        ["9", "56.2%", "▁", "█", "a <_>"],
        ["3", "18.8%", "▁", "b\\x1b[2J"],
        ["4", "25.0%", "▁", "▁", "(all others)"],
        ["estimated: one of 3 rows was looked at"],
    ]
    nothing = {"data": [], "other": [], "every": 1}
    assert list(table.render(nothing, 0, 20, 2)) == ["no line matches in this time\n"]


def test_the_command_refuses_a_wrong_limit(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["patterns", "x", "--limit", "301"])
    assert "300" in capsys.readouterr().err


def test_the_conditions_are_asked_for_with_the_binder_of_each_statement(engine: Any) -> None:
    binders: list[Binder] = []

    async def run() -> None:
        def where(bind: Binder) -> list[str]:
            binders.append(bind)
            return [f"Tenant = {bind.text('none')}"]

        await templates(QueryService(engine).run, where, HOUR)

    asyncio.run(run())
    assert len(set(map(id, binders))) == 1


def test_shapes_beyond_those_that_the_engine_keeps_apart_are_other(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.tenant()
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    engine.client.command("SYSTEM STOP MERGES logs")
    for first in range(0, 200, 20):  # the engine looks at its bound after each part
        some = enumerate(words[first : first + 20])
        engine.load(name, [{"ns": BASE + n, "body": f"{word} happened"} for n, word in some])
    monkeypatch.setattr("tailrace.query.patterns.templates.PATTERN_SHAPES_COUNTED", 50)
    found = counted(engine, name)
    engine.client.command("SYSTEM START MERGES logs")
    kept = sum(one.total for one in found.found)
    assert 50 <= kept < 200
    assert kept + sum(found.other.values()) == 200
