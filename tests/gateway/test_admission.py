"""Limits of tenants at the door: what is refused, what is said, what is kept late."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from doors import MemorySink, run
from starlette.applications import Starlette

from tailrace.core import access, limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.gateway.admission.admission import Admission
from tailrace.gateway.admission.distinct import Distinct
from tailrace.gateway.admission.overload import Overload
from tailrace.gateway.admission.quota import Quota, Quotas, Rate
from tailrace.gateway.admission.tenant import DAY_NS, Spent
from tailrace.gateway.usage import PATH, routes
from tailrace.wire import frames

KB = b"x" * 999 + b"\n"
LINES, RECORDS, PUSH = "/ingest/lines", "/ingest/records", "/loki/api/v1/push"
JSON = {"Content-Type": "application/json"}


class Limited:
    """A door with limits, and what a test asks of it."""

    def __init__(self, client: httpx.AsyncClient, sink: MemorySink, quotas: Quotas) -> None:
        self.client, self.sink = client, sink
        self.clock, self.metrics = ManualClock(), Metrics()
        self.admission = Admission(self.clock, self.metrics, quotas)

    async def post(self, body: bytes, path: str = LINES, **headers: str) -> httpx.Response:
        return await self.client.post(path, content=body, headers=headers)

    def refused(self, reason: str) -> float:
        return self.metrics.get("tailrace_limited_requests_total", reason)


def limited(use: Callable[[Limited], Awaitable[None]], tenant: str = "default", **of: Any) -> None:
    """Run `use` with a tenant that has this quota."""
    quotas = Quotas(Quota(**of))
    clock, metrics = ManualClock(), Metrics()
    admission = Admission(clock, metrics, quotas)

    async def inside(client: httpx.AsyncClient, sink: MemorySink, _: Metrics) -> None:
        found = Limited(client, sink, quotas)
        found.clock, found.metrics, found.admission = clock, metrics, admission
        await use(found)

    run(inside, tenant=tenant, admission=admission)


def admit(door: Limited, size: int) -> bool:
    frame = Frame(Header("default", "s", 1, 1, 1, size, 0, 0), b"")
    try:
        door.admission.admit([frame], door.admission.weigh([frame]))
    except Busy:
        return False
    return True


def test_of_those_who_were_told_to_wait_only_what_may_come_in_is_read() -> None:
    async def use(door: Limited) -> None:
        with contextlib.ExitStack() as running:
            for _ in range(9):  # nothing was refused yet: all may be read
                running.enter_context(door.admission.enter("default"))
        assert [admit(door, 3_000) for _ in range(3)] == [True, False, False]
        door.clock.advance(60.0)  # the bucket is full, 4,000
        with contextlib.ExitStack() as running:
            for _ in range(2):  # 3,000 are being taken, and something is left
                running.enter_context(door.admission.enter("default"))
            with pytest.raises(Busy) as caught, door.admission.enter("default"):
                pass
            assert (caught.value.reason, caught.value.retry_after_s) == ("bytes_rate", 2.0)
        with door.admission.enter("default"):
            pass  # alone it may come in whatever the others were like
        door.clock.advance(3.0)  # long enough after a request that was too large
        with contextlib.ExitStack() as running:
            for _ in range(9):
                running.enter_context(door.admission.enter("default"))

    limited(use, rate=Rate(1_000, 0), burst_s=4.0)


def test_beyond_its_bytes_a_second_a_tenant_waits_as_long_as_it_is_told() -> None:
    async def use(door: Limited) -> None:
        for _ in range(4):
            assert (await door.post(KB)).status_code == 200
        answer = await door.post(KB)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.json()["reason"] == "bytes_rate"
        assert door.refused("bytes_rate") == 1
        assert len(door.sink.frames) == 4
        door.clock.advance(0.5)
        assert (await door.post(KB)).status_code == 200

    limited(use, rate=Rate(bytes_per_second=2000), burst_s=2.0)


def test_rows_a_second_are_counted_apart_and_the_longest_wait_is_told() -> None:
    async def use(door: Limited) -> None:
        assert (await door.post(b"a\n" * 100)).status_code == 200
        answer = await door.post(b"a\n" * 100)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
        assert answer.json()["reason"] == "rows_rate"

    limited(use, rate=Rate(bytes_per_second=1000, rows_per_second=10), burst_s=10.0)


def test_a_request_larger_than_the_burst_passes_a_full_bucket_and_its_debt_is_paid() -> None:
    async def use(door: Limited) -> None:
        assert (await door.post(KB * 10)).status_code == 200
        answer = await door.post(b"a\n")
        assert answer.status_code == 429
        assert 8 < float(answer.headers["Retry-After"]) <= 10
        door.clock.advance(9.1)
        assert (await door.post(b"a\n")).status_code == 200

    limited(use, rate=Rate(bytes_per_second=1000), burst_s=1.0)


def test_after_a_refusal_nothing_is_read_until_the_time_that_was_told() -> None:
    async def use(door: Limited) -> None:
        read = 0

        async def body() -> Any:
            nonlocal read
            read += 1
            yield KB

        assert (await door.client.post(LINES, content=KB)).status_code == 200
        assert (await door.client.post(LINES, content=body())).status_code == 429
        assert read == 1
        # ASGITransport hands the body over only when it is asked for.
        for _ in range(5):
            assert (await door.client.post(LINES, content=body())).status_code == 429
        assert read == 1
        assert door.refused("bytes_rate") == 6

    limited(use, rate=Rate(bytes_per_second=1000), burst_s=1.0)


def test_the_days_bytes_come_back_at_midnight_and_survive_a_restart() -> None:
    async def use(door: Limited) -> None:
        assert (await door.post(KB * 5)).status_code == 200
        answer = await door.post(KB)
        left_s = (DAY_NS - door.clock.wall_ns() % DAY_NS) / 1e9
        assert answer.status_code == 429
        assert float(answer.headers["Retry-After"]) == pytest.approx(left_s, abs=1)
        assert door.refused("bytes_day") == 1
        spent = door.admission.spent()
        assert spent == {"default": Spent(door.clock.wall_ns() // DAY_NS, 5000)}
        again = Admission(door.clock, Metrics(), Quotas(Quota(bytes_per_day=5000)))
        again.restore(msgspec.json.decode(msgspec.json.encode(spent), type=dict[str, Spent]))
        assert again.report("default")["usage"]["bytes_today"] == 5000
        door.clock.advance(left_s + 1)
        assert (await door.post(KB)).status_code == 200
        assert again.report("default")["usage"]["bytes_today"] == 0

    limited(use, bytes_per_day=5000)


def test_what_could_not_be_kept_is_not_charged() -> None:
    async def use(door: Limited) -> None:
        door.sink.failure = Busy("full")
        for _ in range(20):
            assert (await door.post(KB)).status_code == 503
        door.sink.failure = None
        assert (await door.post(KB)).status_code == 200

    limited(use, rate=Rate(bytes_per_second=1000), burst_s=1.0, bytes_per_day=2000)


def test_requests_at_the_same_time_are_bounded() -> None:
    async def use(door: Limited) -> None:
        go = asyncio.Event()

        async def slow() -> Any:
            yield b"a"
            await go.wait()
            yield b"b\n"

        async with asyncio.TaskGroup() as group:
            posts = [group.create_task(door.client.post(LINES, content=slow())) for _ in range(2)]
            while door.admission.report("default")["usage"]["requests"] < 2:
                await asyncio.sleep(0)
            answer = await door.post(b"c\n")
            assert (answer.status_code, answer.json()["reason"]) == (429, "requests")
            go.set()
        assert [post.result().status_code for post in posts] == [200, 200]
        assert (await door.post(b"c\n")).status_code == 200

    limited(use, requests=2)


def record(service: str, **more: object) -> bytes:
    return json.dumps({"body": "x" * 50, "service": service, **more}).encode() + b"\n"


def test_a_service_is_limited_by_its_share_and_others_are_not() -> None:
    async def use(door: Limited) -> None:
        both = record("noisy") * 9 + record("quiet")
        assert (await door.post(both, RECORDS)).status_code == 200
        answer = await door.post(record("noisy") * 9, RECORDS)
        assert (answer.status_code, answer.json()["reason"]) == (429, "service_rows_rate")
        door.clock.advance(1)
        usage = door.admission.report("default")["usage"]["services"]
        assert usage["noisy"]["rows_per_second"] == pytest.approx(10 - 9 + 5)
        assert usage["quiet"]["rows_per_second"] == pytest.approx(10)

    limited(use, service=Rate(rows_per_second=5), burst_s=2.0)


def test_a_named_service_has_its_own_limit_whichever_way_it_says_its_name() -> None:
    async def use(door: Limited) -> None:
        push = {"stream": {"app": "shop"}, "values": [["1790000000000000000", "x"]]}
        body = json.dumps({"streams": [push]}).encode()
        assert (await door.client.post(PUSH, content=body, headers=JSON)).status_code == 204
        assert (await door.post(b"a\n", LINES + "?service=shop")).status_code == 429
        assert (await door.post(b"a\n" * 50, LINES + "?service=other")).status_code == 429
        door.clock.advance(1)
        assert (await door.post(b"a\n" * 50, LINES + "?service=other")).status_code == 200

    limited(use, services={"shop": Rate(rows_per_second=1)}, burst_s=1.0)


def test_distinct_services_of_an_hour_are_bounded_and_known_ones_still_pass() -> None:
    async def use(door: Limited) -> None:
        for name in ("a", "b", "c"):
            assert (await door.post(record(name), RECORDS)).status_code == 200
        answer = await door.post(record("d"), RECORDS)
        assert (answer.status_code, answer.json()["reason"]) == (429, "services")
        assert (await door.post(record("a"), RECORDS)).status_code == 200
        answer = await door.post(b"".join(map(record, "efgh")), RECORDS)
        assert (answer.status_code, answer.json()["reason"]) == (413, "services")
        door.clock.advance(3600)
        assert (await door.post(record("d"), RECORDS)).status_code == 200

    limited(use, services_per_hour=3)


def test_a_hundred_thousand_label_sets_are_refused_in_little_memory() -> None:
    async def use(door: Limited) -> None:
        for start in range(0, 100_000, 2_000):
            rows = [record("s", resource={"pod": str(n)}) for n in range(start, start + 2_000)]
            await door.post(b"".join(rows), RECORDS)
        report = door.admission.report("default")
        assert 9_900 <= report["usage"]["label_sets_this_hour"] <= 10_000
        assert report["refused"]["label_sets"]["rows"] >= 85_000
        assert sum(f.header.rows for f in door.sink.frames) <= 15_000

    limited(use, label_sets_per_hour=10_000)


@pytest.mark.parametrize(
    ("quota", "body", "reason"),
    [
        ({"attributes": 3}, record("s", attributes={f"k{n}": 1 for n in range(4)}), "attributes"),
        ({"labels": 3}, record("s", resource={f"k{n}": "v" for n in range(4)}), "labels"),
        ({"line_bytes": 200}, record("s", attributes={"k": "v" * 200}), "line_bytes"),
        ({"body_bytes": 200}, record("s") * 3, "body_bytes"),
    ],
)
def test_a_row_or_body_beyond_its_tenants_limit_is_too_large(
    quota: dict[str, int], body: bytes, reason: str
) -> None:
    async def use(door: Limited) -> None:
        assert (await door.post(record("s"), RECORDS)).status_code == 200
        answer = await door.post(body, RECORDS)
        assert (answer.status_code, answer.json()["reason"]) == (413, reason)
        assert str(*quota.values()) in answer.json()["error"]
        assert door.admission.report("default")["refused"][reason]["requests"] == 1
        assert len(door.sink.frames) == 1

    limited(use, **quota)


def test_what_is_over_may_be_kept_late_instead_and_the_answer_says_so() -> None:
    async def use(door: Limited) -> None:
        first, second = await door.post(KB), await door.post(KB)
        assert "diverted" not in first.json()
        assert second.json() == {"accepted": 1, "repaired": {}, "diverted": 1}
        assert [frame.header.lane for frame in door.sink.frames] == [Lane.BOTH, Lane.BULK]
        assert door.metrics.get("tailrace_diverted_rows_total", "bytes_rate") == 1
        assert door.refused("bytes_rate") == 0
        assert door.admission.report("default")["diverted"]["bytes_rate"]["bytes"] == 1000

    limited(use, rate=Rate(bytes_per_second=1000), burst_s=1.0, over="divert")


def agent_frame(lane: Lane, tenant: str = "default") -> Frame:
    facts = describe(KB)
    header = Header(tenant, "a", 1, 1, facts.rows, facts.bytes, facts.checksum, 1, lane)
    header = msgspec.structs.replace(header, codec="lines")
    return Frame(header, compress(KB))


def test_a_sample_is_not_diverted_for_the_complete_rows_are_in_the_bulk_lane_already() -> None:
    async def use(door: Limited) -> None:
        for lane, status in ((Lane.HOT, 200), (Lane.HOT, 429), (Lane.BULK, 200)):
            body = frames.encode([agent_frame(lane)])
            answer = await door.post(body, "/ingest/frames")
            assert answer.status_code == status

    limited(use, rate=Rate(bytes_per_second=1000), burst_s=1.0, over="divert")


def test_overload_sheds_before_a_body_is_read_and_recovers() -> None:
    class Full:
        fullness = 1.0

        def pressure(self) -> float:
            return self.fullness

    queue, clock, metrics = Full(), ManualClock(), Metrics()
    admission = Admission(clock, metrics, overload=Overload(queue, clock, metrics))

    async def use(client: httpx.AsyncClient, sink: MemorySink, _: Metrics) -> None:
        answer = await client.post(LINES, content=KB)
        assert (answer.status_code, answer.json()["reason"]) == (503, "overload_all")
        assert int(answer.headers["Retry-After"]) >= 1
        queue.fullness = 0.85
        clock.advance(1)
        assert (await client.post(LINES, content=KB)).status_code == 200
        body = frames.encode([agent_frame(Lane.BULK)])
        answer = await client.post("/ingest/frames", content=body)
        assert (answer.status_code, answer.json()["reason"]) == (503, "overload_bulk")
        queue.fullness = 0.5
        clock.advance(1)
        assert (await client.post("/ingest/frames", content=body)).status_code == 200
        assert metrics.get("tailrace_limited_requests_total", "overload_bulk") == 1

    run(use, admission=admission)


def test_a_tenant_sees_its_own_limits_and_no_others() -> None:
    async def main() -> None:
        quotas = Quotas(Quota(requests=7), {"shop": Quota(bytes_per_day=10)})
        app = Starlette(routes=routes(Admission(ManualClock(), Metrics(), quotas)))

        async def asked(scope: Any, receive: Any, send: Any) -> None:
            scope[access.KEY] = access.Principal("shop", frozenset())
            await app(scope, receive, send)

        transport = httpx.ASGITransport(app=asked)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            said = (await client.get(PATH + "?tenant=default")).json()
        assert (said["tenant"], said["limits"]["bytes_per_day"]) == ("shop", 10)
        assert said["limits"]["requests"] == 0
        assert said["refused"] == said["diverted"] == {}

    asyncio.run(main())


def test_tenants_are_forgotten_before_they_fill_the_memory() -> None:
    admission = Admission(ManualClock(), Metrics())
    with admission.enter("busy"):
        for number in range(limits.TENANTS_COUNTED + 10):
            with admission.enter(f"t{number}"):
                pass
        assert admission.report("busy")["usage"]["requests"] == 1
    assert len(admission._tenants) == limits.TENANTS_COUNTED


def test_services_are_forgotten_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SERVICES_COUNTED", 2)

    async def use(door: Limited) -> None:
        # Forgotten, `a` has not spent its row; `c` has.
        for service, status in (("a", 200), ("b", 200), ("c", 200), ("a", 200), ("c", 429)):
            answer = await door.post(b"x\n", LINES + f"?service={service}")
            assert answer.status_code == status, service

    limited(use, service=Rate(rows_per_second=1), burst_s=1.0)


def test_a_filter_lets_in_a_few_new_ones_as_known_and_never_forgets() -> None:
    counted, step = Distinct(10_000), 0x9E3779B97F4A7C15
    hashes = [n * step & (2**64 - 1) for n in range(1, 20_001)]
    counted.add(hashes[:10_000])
    assert counted.new(hashes[:10_000]) == []
    assert len(counted.new(hashes[10_000:])) > 9_900
