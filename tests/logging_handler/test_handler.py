"""What a record of the standard library's logging becomes, and what the handler never does."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import logging.config
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tailrace.core.errors import ConfigError
from tailrace.logging import Handler, Sender, bound
from tailrace.logging.post import Post

from .gateways import Gateway, free_port

Attach = Callable[..., tuple[logging.Logger, Handler]]


def one(gateway: Gateway, handler: Handler) -> dict[str, Any]:
    assert handler.flush(10)
    (row,) = gateway.rows()
    return row


def test_a_record_arrives_with_its_place_template_and_extra_fields(
    gateway: Gateway, attach: Attach
) -> None:
    log, handler = attach(gateway.url, service="shop", resource={"host.name": "h1"})
    log.warning("order %d of %s is late", 7, "ann", extra={"order": 7, "paid": False, "eur": 1.5})
    row = one(gateway, handler)
    line = row["attributes"].pop("code.line.number")
    assert 0 < line < 1000
    assert abs(row["time"] / 1e9 - time.time()) < 60
    assert {key: row[key] for key in row if key not in ("time", "attributes")} == {
        "severity": "WARNING", "body": "order 7 of ann is late", "service": "shop",
        "resource": {"host.name": "h1"},
    }  # fmt: skip
    assert row["attributes"] == {
        "logger": "shop.checkout",
        "code.file.path": __file__,
        "code.function.name": "test_a_record_arrives_with_its_place_template_and_extra_fields",
        "thread.name": threading.current_thread().name,
        "process.pid": os.getpid(),
        "log.template": "order %d of %s is late",
        "order": 7,
        "paid": False,
        "eur": 1.5,
    }


def test_an_exception_travels_under_opentelemetrys_names(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)
    try:
        raise ConfigError("no such till")
    except ConfigError:
        log.exception("not paid", stack_info=True)
    attributes = one(gateway, handler)["attributes"]
    assert attributes["exception.type"] == "tailrace.core.errors.ConfigError"
    assert attributes["exception.message"] == "no such till"
    assert attributes["exception.stacktrace"].startswith("Traceback (most recent call last)")
    assert attributes["exception.stacktrace"].endswith("ConfigError: no such till")
    assert "test_an_exception_travels" in attributes["code.stacktrace"]


def test_bound_fields_and_context_variables_are_attributes_and_extra_wins(
    gateway: Gateway, attach: Attach
) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    log, handler = attach(gateway.url, contextvars=(user,))
    log.info("none")
    user.set("ann")
    with bound(request="r1", step="outer"), bound(step="inner"):
        log.info("bound")
        log.info("extra", extra={"step": "own"})
    log.info("after")
    handler.flush(10)
    found = {
        row["body"]: {k: row["attributes"].get(k) for k in ("user", "request", "step")}
        for row in gateway.rows()
    }
    assert found == {
        "none": {"user": None, "request": None, "step": None},
        "bound": {"user": "ann", "request": "r1", "step": "inner"},
        "extra": {"user": "ann", "request": "r1", "step": "own"},
        "after": {"user": "ann", "request": None, "step": None},
    }


def test_the_trace_is_the_current_spans_or_what_the_record_says(
    gateway: Gateway, attach: Attach
) -> None:
    log, handler = attach(gateway.url)
    span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=False))
    with trace.use_span(span):
        log.info("span")
        log.info("extra", extra={"trace_id": "f" * 32, "span_id": 255})
    log.info("instrumented", extra={"otelTraceID": "e" * 32, "otelSpanID": "d" * 16})
    log.info("no trace", extra={"otelTraceID": "0", "otelSpanID": "0"})
    with TracerProvider().get_tracer("t").start_as_current_span("s") as real:
        log.info("sdk")
    handler.flush(10)
    found = {row["body"]: (row.get("trace_id"), row.get("span_id")) for row in gateway.rows()}
    context = real.get_span_context()
    assert found == {
        "span": (f"{0xABC:032x}", f"{0xDEF:016x}"),
        "extra": ("f" * 32, "00000000000000ff"),
        "instrumented": ("e" * 32, "d" * 16),
        "no trace": (None, None),
        "sdk": (f"{context.trace_id:032x}", f"{context.span_id:016x}"),
    }
    assert not any(k.startswith("otel") for row in gateway.rows() for k in row["attributes"])


def test_a_message_whose_arguments_do_not_fit_is_kept(
    gateway: Gateway, attach: Attach, capfd: pytest.CaptureFixture[str]
) -> None:
    log, handler = attach(gateway.url)
    log.info("%d items", "many")
    assert one(gateway, handler)["body"] == "%d items (arguments do not fit: ['many'])"
    assert capfd.readouterr().err == ""


def test_what_sending_itself_logs_is_ignored(
    gateway: Gateway, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, handler = attach(gateway.url)
    send = Post.send

    def noisy(self: Post, body: bytes, key: str) -> None:
        log.debug("connection made")
        logging.getLogger("tailrace.logging").warning("sent")
        send(self, body, key)

    monkeypatch.setattr(Post, "send", noisy)
    log.info("the only one")
    assert handler.flush(10)
    assert handler.flush(10)
    assert gateway.bodies() == ["the only one"]
    assert len(gateway.keys) == 1


def test_a_record_made_while_another_is_made_is_kept_too(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)

    class Talkative:
        def __repr__(self) -> str:
            log.info("from a repr")
            return "quiet"

    log.info("outer", extra={"value": Talkative()})
    handler.flush(10)
    assert gateway.bodies() == ["from a repr", "outer"]


def test_a_signals_handler_may_log_at_any_moment(attach: Attach) -> None:
    log, handler = attach(f"http://127.0.0.1:{free_port()}")
    seen = 0

    def on_signal(*_: object) -> None:
        nonlocal seen
        seen += 1
        log.info("signal")

    before = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(10_000):
            log.info("main")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen
    assert handler.sender.waiting == 10_000 + seen


def test_a_handler_that_was_closed_goes_on_with_the_next_record(
    gateway: Gateway, attach: Attach
) -> None:
    log, handler = attach(gateway.url)
    log.info("one")
    handler.close()
    assert gateway.bodies() == ["one"]
    log.info("two")
    handler.flush(10)
    assert gateway.bodies() == ["one", "two"]


def test_dict_config_makes_one_and_a_formatter_has_no_say(gateway: Gateway) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "tailrace": {
                    "class": "tailrace.logging.Handler",
                    "url": gateway.url,
                    "service": "shop",
                    "level": "INFO",
                    "formatter": "plain",
                }
            },
            "loggers": {"configured": {"handlers": ["tailrace"], "level": "DEBUG"}},
        }
    )
    log = logging.getLogger("configured")
    try:
        log.debug("too low")
        log.info("paid")
        (handler,) = log.handlers
        handler.flush()
        assert gateway.bodies() == ["paid"]
    finally:
        for handler in log.handlers[:]:
            log.removeHandler(handler)
            handler.close()


def test_logging_shutdown_sends_what_is_left(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)
    log.info("last words")
    logging.shutdown([weakref.ref(handler)])
    assert gateway.bodies() == ["last words"]


def test_a_shared_sender_is_flushed_by_a_close_and_goes_on(gateway: Gateway) -> None:
    sender = Sender(gateway.url, service="shop")
    first, second = Handler(sender), Handler(sender)
    first.handle(logging.makeLogRecord({"msg": "one"}))
    first.close()
    assert gateway.bodies() == ["one"]
    second.handle(logging.makeLogRecord({"msg": "two"}))
    sender.close()
    assert gateway.bodies() == ["one", "two"]


def test_an_event_loop_never_waits_for_room(attach: Attach) -> None:
    log, handler = attach(f"http://127.0.0.1:{free_port()}", queue_records=1, block_s=60)

    async def main() -> None:
        for number in range(5):
            log.info("number %d", number)

    asyncio.run(asyncio.wait_for(main(), 10))
    assert handler.dropped == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "127.0.0.1:7480"}, "http or https"),
        ({"url": "http://user:secret@host"}, "no user"),
        ({"url": "http://host:99999"}, "http or https"),
        ({"url": "http://user:secret@host:99999"}, "http or https"),
        ({"token": "two\nlines"}, "token"),
        ({"resource": {"a": "x" * 20_000}}, "resource"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as found:
        Handler(**options)
    assert "secret" not in str(found.value)
