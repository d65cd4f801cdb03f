"""Sends what waits in the store: of a group in its order, receivers apart from each other.

A notice leaves the store after its receiver took it, so it arrives at least once; one that was
being sent when the process died is sent again, with the same key. After a failure nothing is sent
to the receiver for a while, then one at a time until one is taken. What fails for a reason that a
person has to mend is tried every few minutes. Nothing is given up before it is a day old, but for
what a receiver took a part of and says that it will never take the rest.

Times are of the monotonic clock, so that a wall clock that is set neither hurries nor ends any.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from tailrace.alerts.delivery.grouping import Key
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.receivers import Sender
from tailrace.core import limits, log
from tailrace.core.alerting import AlertStore, Notice
from tailrace.core.backoff import LARGEST_RETRY_AFTER_S, backoff_s, jitter
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics

_log = log.get("alerts")
# A notice that a person has to mend something for: soon enough after that, rare enough until then.
_LASTING_S = 300.0
# The store is looked at this often though nobody said that there is anything new.
_LOOK_S = 60.0


@dataclass
class _Held:
    """A notice of the store. `taken`: it only has to leave the store."""

    notice: Notice
    made_s: float
    due_s: float
    taken: bool = False


@dataclass
class _Receiver:
    """`lines`: by group, in order. `failures` in a row; until `rests_s` nothing is sent."""

    name: str
    sender: Sender
    timeout_s: float
    lines: dict[Key, deque[_Held]] = field(default_factory=dict)
    sending: set[Key] = field(default_factory=set)
    failures: int = 0
    rests_s: float = 0.0

    def held(self) -> Iterator[_Held]:
        for line in self.lines.values():
            yield from line

    def ready(self) -> list[tuple[float, int, Key]]:
        """When each group's first notice is due that is not being sent, the first first."""
        if len(self.sending) >= (1 if self.failures else limits.ALERT_SENDS_PER_RECEIVER):
            return []
        return sorted(
            (max(self.rests_s, line[0].due_s), line[0].notice.id, key)
            for key, line in self.lines.items()
            if key not in self.sending
        )


class Outbox:
    """Used from one event loop."""

    def __init__(
        self,
        store: AlertStore,
        senders: Mapping[str, tuple[Sender, float]],
        clock: Clock,
        metrics: Metrics,
        sent: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        """`senders`: by receiver, with the seconds that an attempt may take. `sent` is called when
        a receiver took a notice; it must not block."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._sent = sent
        self._receivers = {name: _Receiver(name, *pair) for name, pair in senders.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._look = True
        self._looked_s = 0.0
        self._partly = False

    def wake(self) -> None:
        """There is something new in the store."""
        self._look = True
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        try:
            while True:
                self._woken.clear()
                try:
                    await self.begin_due()
                    failures = 0
                except StoreError as error:
                    failures += 1
                    _log.warning("what is to be sent cannot be read: %s", error)
                wait_s = backoff_s(failures) if failures else self.wait_s()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._woken.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_due(self) -> None:
        """Send what is due, and wait for it. Raises StoreError."""
        await self.begin_due()
        while self._tasks:
            await asyncio.wait(self._tasks)
            await self.begin_due()

    def wait_s(self) -> float:
        """How long nothing is due, unless something changes."""
        now_s = self._clock.monotonic_s()
        firsts = [ready[0][0] for one in self._receivers.values() if (ready := one.ready())]
        return max(0.0, min([self._looked_s + _LOOK_S, *firsts]) - now_s)

    async def begin_due(self) -> None:
        """Begin to send what is due. Raises StoreError."""
        now_s = self._clock.monotonic_s()
        if self._look or now_s >= self._looked_s + _LOOK_S:
            try:
                await self._read()
            except StoreError:
                self._look = True
                raise
        for receiver in self._receivers.values():
            while (ready := receiver.ready()) and ready[0][0] <= self._clock.monotonic_s():
                key = ready[0][2]
                receiver.sending.add(key)
                task = asyncio.create_task(self._attempt(receiver, key))
                self._tasks.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._look = self._look or self._partly
        self._woken.set()

    async def _read(self) -> None:
        """Hold the oldest notices of every tenant and receiver: of those with enough no more are
        read, of the others those that are held come again before what is new."""
        self._look = self._partly = False
        self._looked_s = self._clock.monotonic_s()
        while True:
            counts = Counter(_key(held.notice)[:2] for held in self._held())
            full = [whose for whose, n in counts.items() if n >= limits.ALERT_NOTICES_READ]
            most = limits.ALERT_NOTICES_READ
            most += sum(n for whose, n in counts.items() if whose not in full)
            found = await self._store.waiting(most, full)
            strangers = [one for one in found if one.receiver not in self._receivers]
            for notice in strangers:
                await self._give_up(notice, "there is no such receiver")
            new = self._hold(found)
            self._partly = bool(full)
            if len(found) < most:
                self._let_go({one.id for one in found}, full)
                break
            if not new and not strangers:
                self._partly = True
                break
        self._count()

    def _hold(self, notices: Iterable[Notice]) -> int:
        """Those that are not held yet; how many these were."""
        known = {held.notice.id for held in self._held()}
        now_s, wall_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        new = 0
        for notice in notices:
            receiver = self._receivers.get(notice.receiver)
            if receiver is None or notice.id in known:
                continue
            new += 1
            made_s = now_s - max(0.0, (wall_ns - notice.made_ns) / 1e9)
            due_s = now_s + min(LARGEST_RETRY_AFTER_S, max(0.0, (notice.due_ns - wall_ns) / 1e9))
            line = receiver.lines.setdefault(_key(notice), deque())
            line.append(_Held(notice, made_s, due_s))
        return new

    def _let_go(self, there: set[int], full: list[tuple[str, str]]) -> None:
        """What newer notices took the place of."""
        for receiver in self._receivers.values():
            for key, line in list(receiver.lines.items()):
                if key not in receiver.sending and key[:2] not in full:
                    kept = deque(one for one in line if one.taken or one.notice.id in there)
                    receiver.lines[key] = kept
                    if not kept:
                        del receiver.lines[key]

    def _held(self) -> Iterator[_Held]:
        for receiver in self._receivers.values():
            yield from receiver.held()

    async def _attempt(self, receiver: _Receiver, key: Key) -> None:
        """Send the first notice of a group."""
        line = receiver.lines[key]
        held = line[0]
        try:
            if not held.taken:
                await self._send(receiver, held)
            if held.taken:
                await self._store.sent(held.notice)
                line.popleft()
        except StoreError as error:
            held.due_s = self._clock.monotonic_s() + backoff_s(held.notice.attempts + 1)
            _log.warning("what became of a notice is not kept: %s", error)
        finally:
            receiver.sending.discard(key)
            if not line:
                receiver.lines.pop(key, None)
            self._count()

    async def _send(self, receiver: _Receiver, held: _Held) -> None:
        try:
            async with asyncio.timeout(receiver.timeout_s):
                await receiver.sender.send(held.notice)
        except NotTaken as error:
            await self._failed(receiver, held, error)
        except Exception as error:  # whatever a receiver makes of it, the others are sent to
            await self._failed(receiver, held, NotTaken(_words(error)))
        else:
            held.taken = True
            receiver.failures, receiver.rests_s = 0, 0.0
            self._metrics.add("tailrace_notices_total", label="sent")
            self._sent(held.notice)

    async def _failed(self, receiver: _Receiver, held: _Held, error: NotTaken) -> None:
        self._metrics.add("tailrace_notices_total", label="failed")
        _log.warning("a notice for %s is not taken: %s", receiver.name, error)
        now_s = self._clock.monotonic_s()
        if error.over:
            receiver.failures, receiver.rests_s = 0, 0.0
        if error.over or now_s - held.made_s >= limits.ALERT_NOTICE_KEPT_S:
            held.taken = True
            self._say_given_up(held.notice, str(error))
            return
        attempts = held.notice.attempts + 1
        if error.lasting:
            wait_s = _LASTING_S * jitter.uniform(0.5, 1.5)
        else:
            asked_s = min(error.retry_after_s or 0.0, LARGEST_RETRY_AFTER_S)
            receiver.failures += 1
            wait_s = max(asked_s, backoff_s(receiver.failures))
            receiver.rests_s = now_s + wait_s
        held.due_s = now_s + wait_s
        due_ns = self._clock.wall_ns() + int(wait_s * 1e9)
        before = held.notice
        held.notice = msgspec.structs.replace(before, attempts=attempts, error=str(error))
        await self._store.failed(before, due_ns, str(error))

    async def _give_up(self, notice: Notice, why: str) -> None:
        await self._store.sent(notice)
        self._say_given_up(notice, why)

    def _say_given_up(self, notice: Notice, why: str) -> None:
        self._metrics.add("tailrace_notices_total", label="given_up")
        _log.error("a notice for %s is given up: %s", notice.receiver, why)

    def _count(self) -> None:
        now_s = self._clock.monotonic_s()
        ages = [now_s - held.made_s for held in self._held()]
        self._metrics.set("tailrace_notices_waiting", len(ages))
        self._metrics.set("tailrace_notices_age_seconds", max(ages, default=0.0))


def _key(notice: Notice) -> Key:
    return notice.tenant, notice.receiver, notice.group


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
