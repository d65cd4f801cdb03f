"""JSON of a real HTTP server, as records and as numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import Answering
from fakes import FakeGateway

from tailrace.agent.agent import Agent
from tailrace.agent.feeds.intake import Batch
from tailrace.agent.feeds.rest import Rest
from tailrace.agent.inputs import RestInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.clock import ManualClock, SystemClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.core.units import Seconds
from tailrace.wire import records, samples


def rest(answering: Answering, **changes: Any) -> Rest:
    return Rest(RestInput(url=answering.url + "/state?key=example", **changes), ManualClock())


def rows(batches: Any, signal: Signal = Signal.LOGS) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for batch in batches:
        if batch.signal is signal and batch.data:
            lines = batch.data.splitlines()
            assert len(lines) == batch.rows
            found += map(json.loads, lines)
    return found


def answer(answering: Answering, document: Any) -> None:
    answering.body = json.dumps(document).encode()


def test_items_become_records(answering: Answering) -> None:
    answer(answering, {"jobs": [{"id": 1, "msg": "a\nb", "at": "2026-01-01T00:00:00Z"}, "x", 7]})
    asking = rest(answering, items="$.jobs[*]", time_key="at", body_key="msg", severity_key="lvl")
    (batch,) = asking.fetch().batches
    assert rows([batch]) == [
        {"id": 1, "msg": "a\nb", "at": "2026-01-01T00:00:00Z"},
        {"msg": "x"},
        {"msg": "7"},
    ]
    hints = batch.hints
    assert (hints.foreign, hints.time, hints.body, hints.severity) == (True, "at", "msg", "lvl")
    assert hints.time_unit == "auto"
    assert records.check(batch.data, hints) == hints
    assert batch.resource == {"service.name": "127.0.0.1"}
    assert answering.asked[0][0] == "/state?key=example"


@pytest.mark.parametrize(
    ("document", "bodies"),
    [
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        ({"a": 1}, [{"a": 1}]),
        ([], []),
        ("text", [{"body": "text"}]),
        (None, [{"body": "null"}]),
        ([[1, 2], True], [{"body": "[1,2]"}, {"body": "true"}]),
    ],
)
def test_an_array_stands_for_its_elements_and_a_scalar_is_a_body(
    answering: Answering, document: Any, bodies: list[Any]
) -> None:
    answer(answering, document)
    assert rows(rest(answering).fetch().batches) == bodies


def test_only_what_the_answer_before_did_not_have_is_sent(answering: Answering) -> None:
    asking = rest(answering, changes=True)
    answer(answering, [{"id": 1}, {"id": 2}])
    assert rows(asking.fetch().batches) == [{"id": 1}, {"id": 2}]
    answer(answering, [{"id": 2}, {"id": 3}])
    assert rows(asking.fetch().batches) == [{"id": 3}]
    answering.status = 500
    assert asking.fetch().failure == "status 500"
    answering.status = 200
    assert asking.fetch().batches == []
    answer(answering, [{"id": 1}])
    assert rows(asking.fetch().batches) == [{"id": 1}]


def test_numbers_become_gauges(answering: Answering) -> None:
    answer(
        answering,
        {
            "queue": {"length": 5, "ok": True},
            "w": [{"load": 0.5}, {"load": "x"}, {"load": 10**400}],
        },
    )
    paths = {"queue.length": "$.queue.length", "ok": "$.queue.ok", "load": "$.w[*].load"}
    fetched = rest(answering, items="", metrics=paths).fetch()
    assert rows(fetched.batches) == []
    found = rows(fetched.batches, Signal.METRICS)
    assert [(row["name"], row["value"], row.get("attributes")) for row in found] == [
        ("queue.length", 5, None),
        ("ok", 1, None),
        ("load", 0.5, {"item": "0"}),
    ]
    samples.check(fetched.batches[0].data)


def dropped(batches: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in batches:
        assert isinstance(batch, Batch)
        found |= batch.dropped
    return found


def test_items_that_cannot_be_stored_are_left_out_and_counted(answering: Answering) -> None:
    many = {f"k{n}": n for n in range(limits.ATTRIBUTES_PER_RECORD + 1)}
    long = {"body": "x" * limits.LINE_BYTES}
    answer(answering, [many, long, {"time": {"no": "time"}}, {"fine": 1}])
    fetched = rest(answering).fetch()
    assert rows(fetched.batches) == [{"fine": 1}]
    assert dropped(fetched.batches) == {"oversize": 2, "malformed": 1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'"' + b"x" * limits.ANSWER_BYTES + b'"', "larger than"),
        (b"[" + b"1," * limits.ANSWER_ITEMS + b"1]", "more than"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(
    answering: Answering, body: bytes, why: str
) -> None:
    answering.body = body
    fetched = rest(answering).fetch()
    assert why in fetched.failure
    assert not fetched.batches


def test_an_agent_ships_what_it_fetches_and_counts_what_it_could_not(
    answering: Answering, gateway: FakeGateway, tmp_path: Path
) -> None:
    answer(answering, [{"job": "nightly", "state": "done"}])
    source = RestInput(url=answering.url, interval=Seconds("1s"), service="jobs")
    settings = AgentSettings([source], str(tmp_path), [gateway.url], flush_interval_s=0.05)
    metrics = Metrics()
    agent = Agent(settings, SystemClock(), metrics)
    agent.start()
    try:
        assert gateway.wait(lambda: bool(gateway.taken))
        answering.status = 503
        assert answering.wait(len(answering.asked) + 2)
    finally:
        agent.stop(5.0)
    (frame, *_) = gateway.taken.values()
    assert frame.header.resource["service.name"] == "jobs"
    assert frame.header.hints.foreign
    assert json.loads(gateway.lines()[0]) == {"job": "nightly", "state": "done"}
    assert metrics.get("tailrace_agent_dropped_total", "failed") >= 1
