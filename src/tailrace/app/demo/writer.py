"""demo-shop's log files: access.log, app.log and slow-query.log, rotated by rename.

A file that reaches `max_bytes` becomes NAME.1 in place of the one before, so the directory never
holds more than six files and a little over six times `max_bytes`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

from tailrace.app.demo.lines import access_line, message_line, slow_line
from tailrace.app.demo.shop import Shop
from tailrace.core import log
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.limits import MIB

_log = log.get("demo")
ACCESS, APP, SLOW = "access.log", "app.log", "slow-query.log"
FILES = (ACCESS, APP, SLOW)
ROWS_PER_S = 50.0
FILE_BYTES = 16 * MIB
_STEP_S = 0.1
# After a pause of the machine the shop goes on; it does not write all it missed.
_CATCH_UP_S = 1.0


class DemoShop:
    """Writes about `rows_per_s` events a second from a thread, until `stop`.

    `directory` is made if need be. A full disk pauses the shop; it never raises in its thread.
    """

    def __init__(
        self,
        directory: Path,
        rows_per_s: float = ROWS_PER_S,
        max_bytes: int = FILE_BYTES,
        seed: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._directory = directory
        self._rows_per_s = rows_per_s
        self._max_bytes = max_bytes
        self._shop = Shop(random.getrandbits(32) if seed is None else seed)
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-shop", daemon=True)

    def start(self) -> None:
        """Begin to write. Raises OSError when the directory cannot be made."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand and return."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def write(self, count: int) -> None:
        """Append `count` events, then rotate what has grown too large. Raises OSError."""
        texts: dict[str, list[str]] = {name: [] for name in FILES}
        for _ in range(count):
            name, line = self._event()
            texts[name].append(line)
        for name, lines in texts.items():
            if lines:
                self._append(self._directory / name, "".join(lines))

    def _event(self) -> tuple[str, str]:
        now = self._clock.wall_ns()
        kind = self._shop.uniform()
        choices: tuple[tuple[float, str, Callable[[], str]], ...] = (
            (0.40, ACCESS, lambda: access_line(now, self._shop.access())),
            (0.93, APP, lambda: message_line(now, self._shop.message())),
            (0.97, SLOW, lambda: slow_line(now, self._shop.slow_query())),
            (1.00, APP, lambda: message_line(now, self._shop.error())),
        )
        name, line = next((name, line) for below, name, line in choices if kind < below)
        return name, line()

    def _append(self, path: Path, text: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
            size = file.tell()
        if size >= self._max_bytes:
            path.replace(path.with_name(f"{path.name}.1"))

    def _run(self) -> None:
        owed, last_s = 0.0, self._clock.monotonic_s()
        failing = False
        while not self._stop.wait(_STEP_S):
            now_s = self._clock.monotonic_s()
            owed += min(now_s - last_s, _CATCH_UP_S) * self._rows_per_s
            last_s = now_s
            count, owed = int(owed), owed % 1
            try:
                self.write(count)
                failing = False
            except OSError as error:
                if not failing:
                    _log.warning("demo-shop cannot write", extra={"error": error.strerror})
                failing = True
