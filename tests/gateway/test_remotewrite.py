"""/api/v1/write: what senders are told, and a real Prometheus that sends."""

from __future__ import annotations

import cramjam
import httpx
import pytest
import zstandard
from doors import MemorySink, run

from tailrace.core import limits, sample
from tailrace.core.errors import Busy
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics

from ..wire.remote import TIME_MS, V1, V2, request, series, series2

PATH = "/api/v1/write"
NAME = {"__name__": "up", "job": "shop"}
PROTOBUF = "application/x-protobuf"
HEADERS = {"Content-Type": PROTOBUF, "Content-Encoding": "snappy"}
HEADERS_2 = {**HEADERS, "Content-Type": f"{PROTOBUF};proto=io.prometheus.write.v2.Request"}
WRITTEN = "X-Prometheus-Remote-Write-{}-Written"
ONE = request(NAME, [(1.0, TIME_MS)])


def packed(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def written(answer: httpx.Response) -> list[str]:
    return [answer.headers[WRITTEN.format(k)] for k in ("Samples", "Histograms", "Exemplars")]


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        {"Content-Type": PROTOBUF},
        {**HEADERS, "Content-Type": f'{PROTOBUF}; proto="prometheus.WriteRequest"'},
    ],
)
def test_samples_are_stored_before_204(headers: dict[str, str]) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post(PATH, content=packed(ONE), headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        (frame,) = sink.frames
        assert (frame.header.tenant, frame.header.signal) == ("acme", Signal.METRICS)
        found = sample.decode(sink.data)
        assert (found.name, found.attributes, found.value) == ("up", {"job": "shop"}, 1.0)

    run(use, tenant="acme")


def test_zstd_is_taken_as_vmagent_sends_it() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        headers = {**HEADERS, "Content-Encoding": "zstd"}
        body = zstandard.compress(ONE)
        assert (await client.post(PATH, content=body, headers=headers)).status_code == 204
        assert sink.frames[0].header.rows == 1

    run(use)


def test_2_0_is_told_what_was_written() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        sent = V2["Request"]()
        one = series2(sent, NAME, [(1.0, TIME_MS), (2.0, TIME_MS + 1)])
        one.exemplars.add(value=1.0, timestamp=TIME_MS)
        body = packed(sent.SerializeToString())
        answer = await client.post(PATH, content=body, headers=HEADERS_2)
        assert (answer.status_code, written(answer)) == (204, ["2", "0", "1"])
        series2(sent, {"no": "name"}, [(1.0, TIME_MS)])
        body = packed(sent.SerializeToString())
        answer = await client.post(PATH, content=body, headers=HEADERS_2)
        assert (answer.status_code, written(answer)) == (400, ["2", "0", "1"])
        assert answer.text.startswith("2 samples and 0 native histograms are stored; 1 ref")
        assert sum(frame.header.rows for frame in sink.frames) == 4
        assert metrics.get("tailrace_ingest_refused_total", "name") == 1
        assert metrics.get("tailrace_ingest_rejected_total", "partial") == 1

    run(use)


@pytest.mark.parametrize("headers", [HEADERS, HEADERS_2])
def test_native_histograms_are_counted_apart_from_samples(headers: dict[str, str]) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        first = headers is HEADERS
        sent = (V1["WriteRequest"] if first else V2["Request"])()
        add = series if first else series2
        add(sent, NAME, [(1.0, TIME_MS)])
        for time_ms in (TIME_MS, TIME_MS + 1):
            add(sent, {"__name__": "took"}).histograms.add(timestamp=time_ms, count_int=3)
        body = packed(sent.SerializeToString())
        answer = await client.post(PATH, content=body, headers=headers)
        assert (answer.status_code, written(answer)) == (204, ["1", "2", "0"])
        add(sent, {"__name__": "took"}).histograms.add(timestamp=TIME_MS, schema=99)
        body = packed(sent.SerializeToString())
        answer = await client.post(PATH, content=body, headers=headers)
        assert (answer.status_code, written(answer)) == (400, ["1", "2", "0"])
        assert answer.text.startswith("1 samples and 2 native histograms are stored; 1 refused: a ")
        assert metrics.get("tailrace_ingest_refused_total", "histogram") == 1
        assert sum(frame.header.rows for frame in sink.frames) == 2 * (1 + 2 * 3)

    run(use)


def test_what_is_refused_as_a_whole_says_why_and_stores_nothing() -> None:
    other = {**HEADERS, "Content-Type": f"{PROTOBUF};proto=other.Request"}
    claim = b"\xff\xff\xff\xff\x0f" + b"abcd"
    bomb = bytes(cramjam.snappy.compress_raw(bytes(limits.BODY_BYTES + 1)))
    cases = [
        (packed(ONE), other, 415, "proto"),
        (packed(ONE), {**HEADERS, "Content-Type": "application/json"}, 415, "Content-Type"),
        (packed(ONE), {**HEADERS, "Content-Encoding": "br"}, 415, "Content-Encoding"),
        (ONE, HEADERS, 400, "snappy"),
        (packed(ONE[:-1]), HEADERS, 400, "protobuf"),
        (claim, HEADERS, 413, "expands"),
        (bomb, HEADERS, 413, "expands"),
        (packed(packed(ONE)), HEADERS, 400, "protobuf"),
    ]

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for body, headers, status, text in cases:
            answer = await client.post(PATH, content=body, headers=headers)
            assert answer.status_code == status, text
            assert text in answer.text
        assert not sink.frames

    run(use)


def test_a_request_that_should_come_again_is_told_when() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for overload, status in ((True, 503), (False, 429)):
            sink.failure = Busy("not now", 3.0, overload)
            answer = await client.post(PATH, content=packed(ONE), headers=HEADERS)
            assert (answer.status_code, answer.headers["retry-after"]) == (status, "3")

    run(use)


def test_a_request_without_samples_is_a_success() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for body in (b"", V1["WriteRequest"](metadata=[b"\x08\x01"]).SerializeToString()):
            answer = await client.post(PATH, content=packed(body), headers=HEADERS)
            assert (answer.status_code, written(answer)) == (204, ["0", "0", "0"])
        assert not sink.frames

    run(use)


def test_two_tenants_that_send_the_same_series_both_keep_theirs() -> None:
    sent = V1["WriteRequest"]()
    for number in range(3):
        series(sent, {**NAME, "n": str(number)}, [(1.0, TIME_MS)])
    body = packed(sent.SerializeToString())
    for tenant in ("one", "two"):

        async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
            await client.post(PATH, content=body, headers=HEADERS)
            assert [(f.header.tenant, f.header.rows) for f in sink.frames] == [(tenant, 3)]  # noqa: B023

        run(use, tenant=tenant)
