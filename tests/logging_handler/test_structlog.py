"""structlog's events, by way of the processor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tailrace.logging import Handler, Processor, Sender, bound

from .gateways import Gateway


@pytest.fixture
def sender(gateway: Gateway) -> Iterator[Sender]:
    found = Sender(gateway.url, service="shop")
    yield found
    found.close(0.1)


def logger(*processors: Any) -> Any:
    return structlog.wrap_logger(structlog.ReturnLogger(), processors=list(processors))


def render(_logger: Any, _method: str, event: Any) -> str:
    return repr(sorted(event))


def test_an_event_arrives_and_is_handed_on_as_it_came(gateway: Gateway, sender: Sender) -> None:
    log = logger(structlog.processors.add_log_level, Processor(sender), render)
    with bound(request="r1"):
        said = log.bind(user="ann").warning("paid", order=7)
    assert said == "['event', 'level', 'order', 'user']"
    sender.flush(10)
    (row,) = gateway.rows()
    attributes = row["attributes"]
    assert (row["body"], row["severity"], row["service"]) == ("paid", "WARNING", "shop")
    assert (attributes["user"], attributes["order"], attributes["request"]) == ("ann", 7, "r1")
    assert attributes["log.template"] == "paid"
    assert attributes["code.file.path"] == __file__
    assert attributes["code.function.name"] == ("test_an_event_arrives_and_is_handed_on_as_it_came")
    assert not {"event", "level"} & set(attributes)


def test_one_that_drops_is_the_last(gateway: Gateway, sender: Sender) -> None:
    logger(Processor(sender, drop=True), render).info("paid")
    sender.flush(10)
    assert gateway.bodies() == ["paid"]


def test_a_handler_and_a_processor_share_a_sender_and_its_order(gateway: Gateway) -> None:
    handler = Handler(url=gateway.url)
    log = logger(Processor(handler.sender), render)
    for number in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"handler {number}"}))
        log.info(f"event {number}")
    handler.close()
    assert gateway.bodies() == [f"{kind} {n}" for n in range(3) for kind in ("handler", "event")]
    assert len(gateway.keys) == 1


def test_what_structlogs_processors_add_takes_its_place(gateway: Gateway, sender: Sender) -> None:
    parameters = structlog.processors.CallsiteParameter
    log = logger(
        structlog.processors.TimeStamper(fmt="iso", key="timestamp"),
        structlog.processors.CallsiteParameterAdder(
            [parameters.PATHNAME, parameters.LINENO, parameters.FUNC_NAME, parameters.PROCESS]
        ),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Processor(sender),
        render,
    )
    try:
        raise ValueError("empty till")
    except ValueError:
        log.exception("not paid", stack_info=True)
    sender.flush(10)
    (row,) = gateway.rows()
    attributes = row["attributes"]
    assert row["severity"] == "ERROR"
    assert row["time"] > 1_700_000_000_000_000_000
    assert attributes["code.file.path"] == __file__
    assert attributes["exception.stacktrace"].endswith("ValueError: empty till")
    assert "test_what_structlogs_processors_add" in attributes["code.stacktrace"]
    assert not {"timestamp", "pathname", "exception", "stack"} & set(attributes)


def test_an_exception_that_nobody_formatted_is_formatted(gateway: Gateway, sender: Sender) -> None:
    log = logger(Processor(sender), render)
    try:
        raise ValueError("one")
    except ValueError:
        log.exception("current")
    log.error("given", exc_info=KeyError("two"))
    log.error("none", exc_info=True)
    sender.flush(10)
    found = {row["body"]: row["attributes"].get("exception.type") for row in gateway.rows()}
    assert found == {"current": "ValueError", "given": "KeyError", "none": None}


@pytest.mark.parametrize("stamp", [1_790_000_000, "2026-09-21T14:13:20Z", "soon", None, [], 1e300])
def test_a_time_is_taken_where_it_is_one(gateway: Gateway, sender: Sender, stamp: Any) -> None:
    logger(Processor(sender), render).info("paid", timestamp=stamp)
    sender.flush(10)
    (row,) = gateway.rows()
    if stamp in (1_790_000_000, "2026-09-21T14:13:20Z"):
        assert row["time"] == 1_790_000_000_000_000_000
        assert "timestamp" not in row["attributes"]


def test_an_event_that_cannot_be_read_is_counted_and_raises_nothing(sender: Sender) -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

    Processor(sender)(None, "info", Hostile(event="x"))
    assert sender.dropped == 1
