"""What has to wait while a disk fills, at the door."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest
from doors import MemorySink
from starlette.applications import Starlette

from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.admission import Admission
from tailrace.gateway.admission.scarcity import Scarcity
from tailrace.gateway.door import Door
from tailrace.gateway.routes import routes
from tailrace.wire import lines
from tailrace.wire.content import Content


class Room:
    def __init__(self, bulk: float = 0.0, hot: float = 0.0) -> None:
        self.bulk, self.hot = bulk, hot

    def refused(self, late: bool) -> float:
        return self.bulk if late else self.hot

    def said(self) -> str:
        return "the disk of data fills" if self.bulk or self.hot else ""


def frame(lane: Lane) -> Frame:
    return Frame(Header("t", "s", 0, 0, 1, 1, 0, 0, lane), b"")


BULK, HOT, BOTH = frame(Lane.BULK), frame(Lane.HOT), frame(Lane.BOTH)


def refused(scarcity: Scarcity, *frames: Frame) -> str:
    try:
        scarcity.check(frames)
    except Busy as busy:
        assert busy.overload
        assert busy.retry_after_s >= 1
        return busy.reason
    return ""


def test_bulk_waits_alone_and_a_request_goes_by_the_best_that_it_holds() -> None:
    scarcity = Scarcity(Room(bulk=1.0))
    assert refused(scarcity, BULK, BULK) == "space_bulk"
    assert [refused(scarcity, one) for one in (HOT, BOTH)] == ["", ""]
    assert refused(scarcity, BULK, HOT) == ""
    scarcity.check_all()


def test_the_share_of_requests_that_waits_is_that_of_the_room() -> None:
    scarcity = Scarcity(Room(bulk=1.0, hot=0.3), random.Random(1).random)
    found = [refused(scarcity, HOT) for _ in range(2_000)]
    assert found.count("space_hot") == pytest.approx(600, abs=80)
    assert {refused(scarcity, BULK) for _ in range(100)} == {"space_bulk"}


def test_where_all_waits_no_body_is_read_and_the_servers_own_still_comes_in() -> None:
    room, sink, metrics = Room(bulk=1.0, hot=1.0), MemorySink(), Metrics()
    admission = Admission(ManualClock(), metrics, scarcity=Scarcity(room))

    def decode(body: bytes) -> list[Content]:
        return [lines.decode(body)]

    async def main() -> None:
        door = Door(
            sink, ManualClock(), metrics, ready=lambda: not room.hot, said=room.said,
            admission=admission,
        )  # fmt: skip
        transport = httpx.ASGITransport(Starlette(routes=routes(door)))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            answer = await client.post("/ingest/lines", content=b"\xff not looked at")
            assert answer.status_code == 503
            assert answer.json()["reason"] == "space_hot"
            assert answer.headers["retry-after"] == "15"
            said = await client.get("/ready")
            assert (said.status_code, said.text) == (503, "not ready: the disk of data fills\n")
            assert await door.take_bytes(b"mine\n", "default", decode, own=True) == 1
            with pytest.raises(Busy):
                await door.take_bytes(b"others'\n", "default", decode)
            room.hot = 0.0
            said = await client.get("/ready")
            assert (said.status_code, said.text) == (200, "ready: the disk of data fills\n")
            room.bulk = 0.0
            assert (await client.get("/ready")).text == "ready\n"
            answer = await client.post("/ingest/lines", content=b"room again\n")
            assert answer.status_code == 200
        door.close()

    asyncio.run(main())
    assert metrics.get("tailrace_limited_requests_total", "space_hot") == 2
    assert len(sink.frames) == 2


def test_what_was_not_taken_is_not_charged() -> None:
    admission = Admission(ManualClock(), Metrics(), scarcity=Scarcity(Room(bulk=1.0)))
    with pytest.raises(Busy):
        admission.admit([BULK], admission.weigh([BULK]))
    assert admission.report("t")["usage"]["bytes_today"] == 0
    assert admission.report("t")["refused"]["space_bulk"]["rows"] == 1
