"""The canary's lines on their way, through what refuses them and what hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tailrace.alerts.latency.canary import Beat, Canary
from tailrace.alerts.latency.pulse import Pulse
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.metrics import Metrics


class Way:
    """A door and a store that the test opens and shuts."""

    def __init__(self) -> None:
        self.open = True
        self.stores = True
        self.written: list[int] = []
        self.asked = asyncio.Event()

    async def write(self, run: str, beats: Sequence[Beat], received: Callable[[], None]) -> None:
        if not self.open:
            raise Busy("full")
        received()
        self.written += [one.number for one in beats]

    async def stored(self, timeout_s: float) -> bool:
        self.asked.set()
        return self.stores


class Play:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.canary = Canary(self.clock, Metrics())
        self.way = Way()
        self.pulse = Pulse(self.canary, self.way, 0.001)

    def worst(self, stage: str) -> float:
        return {str(name): one.worst_s for name, one in self.canary.delays().items()}[stage]


def test_a_line_goes_its_way() -> None:
    async def play() -> None:
        it = Play()
        it.canary.make()
        it.clock.advance(1.0)
        assert await it.pulse.write()
        it.clock.advance(1.0)
        assert await it.pulse.follow()
        worst = [it.worst(one) for one in ("received", "durable", "queryable", "evaluated")]
        assert worst == [1.0, 1.0, 2.0, 0.0]

    asyncio.run(play())


def test_a_line_that_is_refused_is_offered_again_with_those_that_came_meanwhile() -> None:
    async def play() -> None:
        it = Play()
        it.way.open = False
        it.canary.make()
        assert not await it.pulse.write()
        it.clock.advance(30.0)
        it.canary.make()
        it.way.open = True
        assert await it.pulse.write()
        assert it.way.written == [1, 2]
        assert it.worst("durable") == 30.0

    asyncio.run(play())


def test_a_line_that_is_not_stored_waits() -> None:
    async def play() -> None:
        it = Play()
        it.way.stores = False
        it.canary.make()
        await it.pulse.write()
        assert not await it.pulse.follow()
        assert it.canary.state().stuck == "queryable"

    asyncio.run(play())


def test_it_runs_by_itself_until_it_is_cancelled() -> None:
    async def play() -> None:
        it = Play()
        running = asyncio.create_task(it.pulse.run())
        async with asyncio.timeout(10.0):
            await it.way.asked.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        assert it.way.written

    asyncio.run(play())
