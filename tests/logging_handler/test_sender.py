"""Queue, batches and retries, against the real gateway."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tailrace.core import limits
from tailrace.core.errors import Busy, Poison, StoreError
from tailrace.logging import Handler, Sender
from tailrace.logging.backlog import Backlog

from .gateways import Gateway, free_port

Attach = Callable[..., tuple[logging.Logger, Handler]]


@contextmanager
def opened(port: int = 0, token: str = "", **options: int) -> Iterator[Gateway]:
    found = Gateway(port, token, **options)
    try:
        yield found
    finally:
        found.close()


def await_that(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


def test_nothing_is_lost_while_the_gateway_is_away_and_comes_back(attach: Attach) -> None:
    port = free_port()
    log, handler = attach(f"http://127.0.0.1:{port}")
    for number in range(5_000):
        log.info("first %d", number)
    assert not handler.flush(0.05)
    with opened(port) as gateway:
        assert handler.flush(10)
        assert gateway.bodies() == [f"first {number}" for number in range(5_000)]
    for number in range(5_000):
        log.info("second %d", number)
    with opened(port) as gateway:
        assert handler.flush(10)
        assert gateway.bodies() == [f"second {number}" for number in range(5_000)]
    assert handler.dropped == 0


def test_a_batch_without_an_answer_is_sent_again_under_its_key(
    gateway: Gateway, attach: Attach
) -> None:
    log, handler = attach(gateway.url)
    gateway.sink.failures = [StoreError("engine"), OSError("disk"), Busy("slow", 0.01, False)]
    log.info("paid")
    while not handler.flush(0.05):
        pass
    assert gateway.bodies() == ["paid"]
    assert len(gateway.keys) == 4
    assert len(set(gateway.keys)) == 1
    log.info("more")
    handler.flush(10)
    assert len(set(gateway.keys)) == 2


def test_a_connection_cut_before_the_answer_stores_the_batch_once(
    gateway: Gateway, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.logging.post.TIMEOUT_S", 0.2)
    log, handler = attach(gateway.url)
    gateway.sink.go.clear()
    log.info("paid")
    assert not handler.flush(0.1)
    await_that(lambda: len(gateway.keys) >= 2, "a second try")
    gateway.sink.go.set()
    assert handler.flush(10)
    assert gateway.bodies() == ["paid"]
    assert len(set(gateway.keys)) == 1


def test_retry_after_is_honoured(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)
    gateway.sink.failures = [Busy("full", 1.0)]
    start_s = time.monotonic()
    log.info("paid")
    await_that(lambda: gateway.bodies() == ["paid"], "stored")
    assert time.monotonic() - start_s > 1.0
    assert handler.flush(1)


def test_a_full_queue_drops_the_newest_counts_it_and_says_so_later(attach: Attach) -> None:
    port = free_port()
    log, handler = attach(f"http://127.0.0.1:{port}", queue_records=10, service="shop")
    for number in range(15):
        log.info("number %d", number)
    assert handler.dropped == 5
    with opened(port) as gateway:
        assert handler.flush(10)
        await_that(lambda: len(gateway.rows()) == 11, "the report")
        *kept, report = sorted(gateway.rows(), key=lambda row: "dropped" in row["attributes"])
        assert [row["body"] for row in kept] == [f"number {n}" for n in range(10)]
        assert report["body"] == "5 records were dropped"
        assert (report["severity"], report["service"]) == ("WARNING", "shop")
        assert report["attributes"]["dropped"] == 5
        log.info("room again")
        assert handler.flush(10)
        assert len(gateway.rows()) == 12


def test_a_full_queue_counts_bytes_as_well(attach: Attach) -> None:
    log, handler = attach(f"http://127.0.0.1:{free_port()}", queue_bytes=50_000)
    for _ in range(10):
        log.info("x" * 20_000)
    assert handler.dropped == 8 or handler.dropped == 9
    assert handler.dropped + handler.sender.waiting == 10


def test_one_that_may_block_waits_for_room(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url, queue_records=1, block_s=30)
    for number in range(3):
        log.info("number %d", number)
    handler.flush(10)
    assert gateway.bodies() == ["number 0", "number 1", "number 2"]
    assert handler.dropped == 0


def test_a_batch_that_is_too_large_is_split_once(attach: Attach) -> None:
    with opened(body_bytes=20_000) as gateway:
        log, handler = attach(gateway.url)
        gateway.sink.go.clear()
        log.info("first")
        await_that(lambda: len(gateway.keys) == 1, "the first batch is under way")
        for number in range(2):
            log.info("%d %s", number, "x" * 12_000)
        gateway.sink.go.set()
        assert handler.flush(10)
        assert [body[:5] for body in gateway.bodies()] == ["first", "0 xxx", "1 xxx"]
        assert handler.dropped == 0
        assert len(set(gateway.keys)) == 4
        log.info("x" * 30_000)
        log.info("last")
        assert handler.flush(10)
        assert gateway.bodies()[3:] == ["last"]
        assert handler.dropped == 1


def test_a_batch_that_is_refused_is_given_up_counted_and_reported(
    gateway: Gateway, attach: Attach, capfd: pytest.CaptureFixture[str]
) -> None:
    log, handler = attach(gateway.url)
    gateway.sink.failures = [Poison("never")]
    log.info("bad")
    assert handler.flush(10)
    assert handler.dropped == 1
    await_that(lambda: gateway.bodies() == ["1 records were dropped"], "the report")
    log.info("good")
    assert handler.flush(10)
    assert gateway.bodies() == ["1 records were dropped", "good"]
    assert capfd.readouterr().err == f"tailrace: {gateway.url} refuses records with status 400\n"


def test_a_report_that_is_refused_is_not_sent_for_ever(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)
    gateway.sink.failures = [Poison("never"), Poison("never")]
    log.info("bad")
    assert handler.flush(10)
    await_that(lambda: len(gateway.keys) == 2, "the report is refused")
    log.info("good")
    assert handler.flush(10)
    assert gateway.bodies() == ["good"]
    assert handler.dropped == 1


def test_a_token_is_sent_and_a_wrong_one_is_complained_about_once(
    attach: Attach, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(token="s3cret") as gateway:
        log, handler = attach(gateway.url, token="s3cret")
        log.info("paid")
        assert handler.flush(10)
        assert gateway.bodies() == ["paid"]
        other, refused = attach(gateway.url, name="shop.other", token="wr0ng")
        other.info("kept")
        assert not refused.flush(0.2)
        assert not refused.flush(0.2)
        assert (refused.dropped, refused.sender.waiting) == (0, 1)
    said = capfd.readouterr().err
    assert said.count("answers 401: check the url and the token") == 1
    assert "wr0ng" not in said


def test_many_threads_lose_nothing_and_keep_their_order(gateway: Gateway, attach: Attach) -> None:
    log, handler = attach(gateway.url)

    def work(worker: int) -> None:
        for number in range(500):
            log.info("step", extra={"worker": worker, "number": number})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(10)
    found: dict[int, list[int]] = {}
    for row in gateway.rows():
        found.setdefault(row["attributes"]["worker"], []).append(row["attributes"]["number"])
    assert found == {worker: list(range(500)) for worker in range(8)}


def test_records_are_sent_together_within_half_a_second(gateway: Gateway, attach: Attach) -> None:
    log, _ = attach(gateway.url)
    start_s = time.monotonic()
    for number in range(20):
        log.info("number %d", number)
    await_that(lambda: len(gateway.rows()) == 20, "stored")
    assert time.monotonic() - start_s < 2
    assert len(gateway.keys) == 1


def test_a_sender_that_was_never_used_has_no_thread() -> None:
    before = threading.active_count()
    assert Sender().close()
    assert threading.active_count() == before


def test_what_is_taken_at_once_is_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APP_BATCH_BYTES", 100)
    backlog = Backlog(1_000, limits.MIB)
    for _ in range(7):
        assert backlog.put(b"x" * 30)
    assert [len(backlog.take()) for _ in range(4)] == [3, 3, 1, 0]


def test_a_request_holds_no_more_than_a_batch_may(attach: Attach) -> None:
    port = free_port()
    log, handler = attach(f"http://127.0.0.1:{port}")
    for number in range(30):
        log.info("%d %s", number, "x" * (limits.APP_BATCH_BYTES // 20))
    with opened(port) as gateway:
        assert handler.flush(20)
        sizes = [frame.header.bytes for frame in gateway.sink.frames.values()]
        assert len(gateway.rows()) == 30
        assert len(sizes) >= 2
        assert max(sizes) <= limits.APP_BATCH_BYTES
