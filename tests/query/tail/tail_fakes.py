"""A queue of frames whose payloads are their rows, and a hub on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame, Header, Lane, Signal
from tailrace.core.metrics import Metrics
from tailrace.query.logql.parser import parse_log
from tailrace.query.tail.hub import Hub
from tailrace.query.tail.outlet import Outlet
from tailrace.queue.follower import LogFollower

NOW = 1_800_000_000_000_000_000
ALL = '{service_name=~".+"}'


def row(body: str, time_ns: int = NOW, service: str = "web", **fields: Any) -> list[Any]:
    """A row of tail.rows.COLUMNS."""
    return [
        time_ns, body, service, fields.get("host", "h1"), fields.get("severity", 9),
        fields.get("resource", {}), fields.get("trace", ""), fields.get("span", ""),
        fields.get("attributes", {}),
    ]  # fmt: skip


class Place:
    """A hub with a feed, rows and a clock that the test owns."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.metrics = Metrics()
        self.followers: list[LogFollower] = []
        self.accepted: list[Frame] = []
        self.decoded: list[list[Frame]] = []
        self.stored_answers: list[bool] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken: set[int] = set()
        self.condition = ""
        self.parameters: dict[str, object] = {}
        self.hub = Hub(self, self, self.metrics, self.clock)

    # The feed.

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> LogFollower:
        follower = LogFollower(wanted, held_bytes, self.followers.remove)
        self.followers.append(follower)
        return follower

    async def stored(self, timeout_s: float) -> bool:
        return self.stored_answers.pop(0) if self.stored_answers else True

    def accept(self, *frames: Frame) -> None:
        """What the queue does with durable frames."""
        self.accepted += frames
        for follower in tuple(self.followers):
            follower.offer(frames)

    # The rows.

    async def rows(
        self,
        frames: Sequence[Frame],
        columns: str,
        condition: str,
        parameters: Mapping[str, object] | None,
        most: int,
    ) -> list[tuple[list[tuple[Any, ...]], int] | None]:
        self.decoded.append(list(frames))
        self.condition, self.parameters = condition, dict(parameters or {})
        await self.gate.wait()
        if -1 in self.broken:
            raise StoreError("the engine is away")
        found = [None if frame.header.seq in self.broken else rows_of(frame) for frame in frames]
        return [rows and (rows[:most], len(rows[most:])) for rows in found]

    # What tests do.

    def frame(
        self, seq: int, bodies: Iterable[str | list[Any]], tenant: str = "t", **fields: Any
    ) -> Frame:
        rows = [body if isinstance(body, list) else row(body) for body in bodies]
        payload = json.dumps(rows).encode()
        header = Header(tenant, "s", 1, seq, len(rows), len(payload), 0, NOW, **fields)
        return Frame(header, payload)

    def join(self, query: str = ALL, tenant: str = "t", **options: Any) -> Outlet:
        return self.hub.join(tenant, parse_log(query), **options)

    async def message(self, outlet: Outlet) -> dict[str, Any]:
        async with asyncio.timeout(20):
            found: dict[str, Any] = json.loads(await outlet.next(self.clock))
        return found

    async def lines(self, outlet: Outlet, last: str) -> list[str]:
        """Lines up to and with `last`."""
        found: list[str] = []
        while last not in found:
            found += bodies(await self.message(outlet))
        return found

    def metric(self, line: str) -> bool:
        return line in self.metrics.render().splitlines()


def rows_of(frame: Frame) -> list[tuple[Any, ...]]:
    return [tuple(one) for one in json.loads(frame.payload)]


def bodies(message: dict[str, Any]) -> list[str]:
    """The lines of a message, by their times."""
    values = [entry for stream in message["streams"] for entry in stream["values"]]
    return [entry[1] for entry in sorted(values, key=lambda entry: int(entry[0]))]


BULK = Lane.BULK
METRICS = Signal.METRICS
