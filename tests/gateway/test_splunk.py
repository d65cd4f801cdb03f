"""Splunk's collector over HTTP: the answers that its clients look at."""

from __future__ import annotations

import gzip
import json
import logging
import urllib.request
from typing import Any

import httpx
import pytest
from doors import MemorySink, run
from serving import served

from tailrace.core.errors import Busy
from tailrace.core.frame import Codec, Signal
from tailrace.core.metrics import Metrics
from tailrace.gateway.splunk import Acknowledgements

EVENT = b'{"event":"paid","time":"1788256800"}'
CHANNEL = {"X-Splunk-Request-Channel": "fe0ecfad-13d5-401b-847d-77833bd77131"}
SUCCESS = {"text": "Success", "code": 0}


def bodies(sink: MemorySink) -> list[str]:
    return [json.loads(line)["body"] for line in sink.data.splitlines()]


@pytest.mark.parametrize("path", ["", "/event", "/event/1.0"])
def test_events_are_kept_and_confirmed(path: str) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        url = f"/services/collector{path}"
        answer = await client.post(url, content=EVENT * 2, headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()) == (200, SUCCESS)
        zipped = {"Content-Encoding": "gzip"}
        answer = await client.post(url, content=gzip.compress(EVENT), headers=zipped)
        assert answer.json() == SUCCESS
        assert bodies(sink) == ["paid"] * 3
        assert sink.frames[0].header.tenant == "mine"
        assert (await client.options(url)).status_code == 200

    run(use, tenant="mine")


def test_logs_and_metrics_of_one_body_are_kept_together() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        metric = b'{"event":"metric","fields":{"metric_name:cpu":1}}'
        await client.post("/services/collector", content=EVENT + metric)
        assert [frame.header.signal for frame in sink.frames] == [Signal.LOGS, Signal.METRICS]

    run(use)


@pytest.mark.parametrize("path", ["/raw", "/raw/1.0"])
def test_raw_lines_are_kept_with_what_the_request_says(path: str) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        url = f"/services/collector{path}?host=h1&source=app&sourcetype=access&index=main"
        assert (await client.post(url, content=b"one\ntwo\n")).json() == SUCCESS
        header = sink.frames[0].header
        assert (header.codec, header.rows) == (Codec.LINES, 2)
        assert header.resource == {
            "host.name": "h1", "com.splunk.source": "app", "com.splunk.sourcetype": "access",
            "com.splunk.index": "main",
        }  # fmt: skip
        await client.post(f"{url}&time=1788256800", content=b"three\n")
        assert json.loads(sink.data.splitlines()[2])["time"] == 1_788_256_800 * 10**9

    run(use)


@pytest.mark.parametrize(
    ("content", "status", "answer"),
    [
        (b"", 400, {"text": "No data", "code": 5}),
        (EVENT + b"{", 400,
         {"text": "Invalid data format", "code": 6, "invalid-event-number": 1}),
        (b"{}", 400, {"text": "Event field is required", "code": 12, "invalid-event-number": 0}),
        (EVENT + b'{"event":""}', 400,
         {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 1}),
        (b'{"event":"a","fields":3}', 400,
         {"text": "Error in handling indexed fields", "code": 15, "invalid-event-number": 0}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_splunk_says_it(
    content: bytes, status: int, answer: dict[str, Any]
) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        found = await client.post("/services/collector/event", content=content)
        assert found.status_code == status
        assert found.json() == found.json() | answer
        assert ("invalid-event-number" in found.json()) == ("invalid-event-number" in answer)
        assert sink.frames == []
        assert metrics.get("tailrace_ingest_rejected_total", "hec") == 1

    run(use)


def test_a_server_that_cannot_take_it_says_when() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for overload, status in ((True, 503), (False, 429)):
            sink.failure = Busy("wait", 3.0, overload=overload)
            answer = await client.post("/services/collector", content=EVENT, headers=CHANNEL)
            assert (answer.status_code, answer.headers["Retry-After"]) == (status, "3")
            assert answer.json() == {"text": "Server is busy", "code": 9, "detail": "wait"}
        large = await client.post("/services/collector", content=EVENT * 100)
        assert (large.status_code, large.json()["code"]) == (413, 6)
        odd = await client.post("/services/collector", content=EVENT,
                                headers={"Content-Encoding": "br"})  # fmt: skip
        assert odd.status_code == 415

    run(use, body_compressed_bytes=1_000)


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 401, 2),
        ("Digest x", 401, 3),
        ("Splunk wrong", 403, 4),
        ("Basic eDp3cm9uZw==", 403, 4),
        ("Splunk right", 200, 0),
        ("Basic eDpyaWdodA==", 200, 0),
    ],
)
def test_who_has_no_token_is_told_in_splunks_words(
    authorization: str, status: int, code: int
) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        answer = await client.post("/services/collector/event", content=EVENT, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await client.get("/services/collector/health")).status_code == 200

    run(use, token="right")


def test_acknowledgements_are_of_what_is_durable() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        url = "/services/collector"
        first = (await client.post(f"{url}/event", content=EVENT, headers=CHANNEL)).json()
        second = (await client.post(f"{url}/raw?channel=abc", content=b"x\n")).json()
        assert first == {**SUCCESS, "ackId": first["ackId"]}
        assert first["ackId"] < second["ackId"]
        later = second["ackId"] + 10**9
        asked = json.dumps({"acks": [first["ackId"], second["ackId"], later]}).encode()
        answer = await client.post(f"{url}/ack", content=asked, headers=CHANNEL)
        assert answer.json() == {
            "acks": {str(first["ackId"]): True, str(second["ackId"]): True, str(later): False}
        }
        sink.failure = Busy("wait")
        assert "ackId" not in (await client.post(url, content=EVENT, headers=CHANNEL)).json()

    run(use)


@pytest.mark.parametrize(
    ("headers", "content", "code"),
    [
        ({}, b'{"acks":[1]}', 10),
        ({"X-Splunk-Request-Channel": "x" * 300}, b'{"acks":[1]}', 11),
        (CHANNEL, b'{"acks":["a"]}', 6),
        (CHANNEL, b"", 6),
        (CHANNEL, b'{"acks":[1e99]}', 6),
        (CHANNEL, b'{"acks":' + b"[" * 5_000, 6),
    ],
)
def test_a_wrong_question_for_acknowledgements_is_refused(
    headers: dict[str, str], content: bytes, code: int
) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        found = await client.post("/services/collector/ack", content=content, headers=headers)
        assert (found.status_code, found.json()["code"]) == (400, code)
        many = json.dumps({"acks": list(range(20_000))}).encode()
        answer = await client.post("/services/collector/ack", content=many, headers=CHANNEL)
        assert answer.status_code == 413

    run(use)


def test_numbers_never_repeat_and_survive_a_restart() -> None:
    before, after = Acknowledgements(), Acknowledgements()
    now_ns = 1_800_000_000_000_000_000
    given = [before.give(now_ns) for _ in range(3)]
    assert sorted(set(given)) == given
    assert after.given(given[-1], now_ns + 10**9)
    assert after.give(now_ns + 10**9) > given[-1]
    assert not after.given(-1, now_ns)
    assert given[-1] < 2**53


@pytest.mark.parametrize("path", ["/health", "/health/1.0"])
def test_health_says_whether_events_can_be_taken(path: str) -> None:
    able = True

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        nonlocal able
        answer = await client.get(f"/services/collector{path}")
        assert (answer.status_code, answer.json()) == (200, {"text": "HEC is healthy", "code": 17})
        able = False
        answer = await client.get(f"/services/collector{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, 18)

    run(use, ready=lambda: able)


class Collector(logging.Handler):
    """As the usual handlers for Splunk do: one event a record, objects, a time with a fraction."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url}/services/collector/event"

    def emit(self, record: logging.LogRecord) -> None:
        event = {
            "time": f"{record.created:.3f}",
            "host": "h1",
            "sourcetype": "_json",
            "event": {"message": record.getMessage(), "level": record.levelname,
                      "logger": record.name, "extra": {"line": record.lineno}},
        }  # fmt: skip
        headers = {"Authorization": "Splunk 00000000-0000-0000-0000-000000000000"}
        request = urllib.request.Request(self._url, json.dumps(event).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer) == SUCCESS


def test_a_handler_of_python_logging_sends_its_records() -> None:
    with served() as (url, sink):
        logger = logging.Logger("shop")
        logger.addHandler(Collector(url))
        logger.warning("low stock: %d", 3)
        (row,) = [json.loads(line) for line in sink.data.splitlines()]
        assert (row["body"], row["severity"]) == ("low stock: 3", "WARNING")
        assert row["attributes"]["logger"] == "shop"
        assert row["resource"]["host.name"] == "h1"
