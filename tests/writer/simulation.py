"""An event loop whose time is simulated, so that a run is fast and repeats exactly.

When nothing is ready the time jumps to the next timer. Work for executors is done by the loop
itself, one call in each turn, in the order it was asked for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

# Only a real thread or socket could end a wait without a timer; nobody here should have one.
REAL_WAIT_S = 5.0


class _Selector(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(REAL_WAIT_S if timeout is None else 0)
        if timeout is None:
            assert ready, "every task waits for another"
        elif not ready:
            self.now += max(0.0, timeout)
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Use it with `asyncio.Runner(loop_factory=SimulatedLoop)`."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now

    def run_in_executor(self, _executor: Any, function: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()

        def work() -> None:
            try:
                result = function(*args)
            except BaseException as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self.call_soon(work)
        return future


class LoopClock:
    """Implements `Clock` with the loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wall_ns(self) -> int:
        return 1_800_000_000_000_000_000 + int(self._loop.time() * 1e9)

    def monotonic_s(self) -> float:
        return self._loop.time()
