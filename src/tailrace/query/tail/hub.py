"""The hub: reads the feed while somebody follows, once for all of them.

What a new follower gets is exact: `wanted` is asked of a frame before the store can have it, and
notes it for those whose history is still being read. So the rows of a frame come either with the
history or live, and never both.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import HOT_LANES, Feed, Follower, Taken
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Signal
from tailrace.core.metrics import Metrics
from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LogQuery
from tailrace.query.tail import skipping
from tailrace.query.tail.allowance import Allowance
from tailrace.query.tail.evaluation import Read, evaluate
from tailrace.query.tail.group import Group
from tailrace.query.tail.outlet import Key, Outlet, Room
from tailrace.query.tail.parcel import Parcel
from tailrace.query.tail.prefilter import MOST_QUERIES, may_pass
from tailrace.query.tail.rows import COLUMNS, FrameRows
from tailrace.query.tail.turns import Turns

_log = log.get("tail")
# Between batches: what comes meanwhile shares one statement of 10 ms, and one message.
GATHER_S = 0.1
# More for each follower, whom a message costs the event loop some 100 microseconds.
GATHER_PER_FOLLOWER_S = 0.0005
# As many times what a batch took is enough of a pause: then it is a tenth of the time.
GATHER_FACTOR = 9.0
# Of each second so much at most is Python's work on rows: the rest is for who sends them.
WORKING_SHARE = 0.2
# Where the event loop comes late to the next batch it has others to serve, and is left alone for
# that many times as long; but not for so long that nothing is live any more.
LATE_FACTOR = 10.0
LONGEST_PAUSE_S = 0.7
BUSY_RETRY_S = 10.0
TOO_MANY = "lines too many"


class Hub:
    """Followers join and leave; it runs while there is one. Belongs to one event loop."""

    def __init__(
        self,
        feed: Feed,
        rows: FrameRows,
        metrics: Metrics,
        clock: Clock,
        gather_s: float = 0.0,
        engine_queries: int = MOST_QUERIES,
    ) -> None:
        """What comes within GATHER_S is looked at together, up to `gather_s` where a batch is much
        work. Queries of one tenant up to `engine_queries` are asked of the engine, row by row: for
        those that find little."""
        self.feed = feed
        self._gather_s = gather_s
        self._engine_queries = engine_queries
        self.turns = Turns()
        self._rows = rows
        self._metrics = metrics
        self._clock = clock
        self._room = Room(metrics)
        self._groups: dict[tuple[str, LogQuery, int], Group] = {}
        self._tenants: Counter[str] = Counter()
        self._reading: set[Outlet] = set()
        self._seen: dict[tuple[str, Key], None] = {}
        # Frames that were noted and not given out yet: those that wait, and those being worked on.
        self._waiting: dict[tuple[str, Key], int] = {}
        self._flying: dict[tuple[str, Key], int] = {}
        self._forms: dict[Group, frozenset[bool]] = {}
        self._allowance = Allowance(limits.TAIL_BYTES_PER_S)
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it reads the feed."""
        return self._task is not None

    def join(
        self, tenant: str, query: LogQuery, delay_ns: int = 0, categorize: bool = False
    ) -> Outlet:
        """A new follower: the rows of every frame from the next one on come to its outlet.

        `Outlet.live` tells which these are until `settled`. Raises QueryError for a query that
        cannot be followed, Busy when there are too many followers.
        """
        group = self._group(tenant, query, delay_ns)
        outlet = Outlet(tenant, categorize, self._room)
        coming = [*self._waiting.items()]
        if categorize in self._forms.get(group, ()):
            coming += self._flying.items()
        for (owner, key), rows in coming:
            if owner == tenant:
                outlet.note(key, rows)
        for key in group.held():
            outlet.note(key, 1)
        group.outlets.add(outlet)
        self._room.outlets.add(outlet)
        self._reading.add(outlet)
        self._tenants[tenant] += 1
        self._start()
        self._gauge()
        return outlet

    def settled(self, outlet: Outlet) -> None:
        """The history of this follower was read: `live` is not needed any more."""
        outlet.live = None
        self._reading.discard(outlet)

    def leave(self, outlet: Outlet) -> None:
        """The follower is gone; the last one ends the hub."""
        if outlet not in self._room.outlets:
            return
        self.settled(outlet)
        outlet.clear()
        self._room.outlets.discard(outlet)
        for name, group in tuple(self._groups.items()):
            group.outlets.discard(outlet)
            if not group.outlets:
                del self._groups[name]
        self._tenants[outlet.tenant] -= 1
        if not self._tenants[outlet.tenant]:
            del self._tenants[outlet.tenant]
            self._allowance.keep(set(self._tenants))
        if not self._room.outlets:
            self._stop()
        self._gauge()

    def _group(self, tenant: str, query: LogQuery, delay_ns: int) -> Group:
        if len(self._room.outlets) >= limits.TAIL_FOLLOWERS:
            raise _busy(f"more than {limits.TAIL_FOLLOWERS} followers (TAIL_FOLLOWERS)")
        if self._tenants[tenant] >= limits.TAIL_FOLLOWERS_OF_TENANT:
            most = limits.TAIL_FOLLOWERS_OF_TENANT
            raise _busy(f"more than {most} followers of one tenant (TAIL_FOLLOWERS_OF_TENANT)")
        name = (tenant, query, delay_ns)
        if name not in self._groups:
            if len(self._groups) >= limits.TAIL_QUERIES:
                raise _busy(f"more than {limits.TAIL_QUERIES} followed queries (TAIL_QUERIES)")
            self._groups[name] = Group(tenant, query, delay_ns)
        return self._groups[name]

    def _start(self) -> None:
        if self._task is None:
            self._follower = self.feed.follow(self._wanted, limits.TAIL_QUEUED_BYTES)
            self._task = asyncio.create_task(self._run(self._follower))

    def _stop(self) -> None:
        if self._follower is not None and self._task is not None:
            self._follower.close()
            self._task.cancel()
        self._follower = self._task = None
        for frames in (self._waiting, self._flying, self._forms, self._seen):
            frames.clear()

    def _gauge(self) -> None:
        self._metrics.set("tailrace_tail_followers", len(self._room.outlets))
        self._metrics.set("tailrace_tail_queries", len(self._groups))

    # What the feed asks.

    def _wanted(self, header: Header) -> bool:
        if header.signal is not Signal.LOGS or header.lane not in HOT_LANES:
            return False
        if header.tenant not in self._tenants:
            return False
        name = (header.tenant, header.key[1:])
        if name in self._seen:
            return False  # sent again, since its acknowledgement was lost: stored once, too
        self._seen[name] = None
        if len(self._seen) > limits.TAIL_FRAMES_SEEN:
            del self._seen[next(iter(self._seen))]
        self._waiting[name] = header.rows
        for outlet in self._reading:
            if outlet.tenant == header.tenant:
                outlet.note(name[1], header.rows)
        return True

    # Reading.

    async def _run(self, follower: Follower) -> None:
        late_s = 0.0
        while (taken := await self._next(follower)) is not None:
            began = self._clock.monotonic_s()
            spent = 0.0
            try:
                spent = await self._give_out(taken)
            except Exception:
                _log.exception("a batch of frames was not given out")
                self._unread(_rows_by_tenant(taken.frames))
            if self._follower is not follower:
                return
            self._flying.clear()
            self._forms.clear()
            took = self._clock.monotonic_s() - began
            late_s = await self._pause(spent / WORKING_SHARE - took, took, late_s)

    async def _pause(self, least_s: float, took_s: float, late_s: float) -> float:
        """Let others work after a batch that `took_s`. How late it ended, and `late_s`, how late
        the last one did."""
        gather_s = max(GATHER_S, min(self._gather_s, GATHER_FACTOR * took_s))
        gather_s += GATHER_PER_FOLLOWER_S * len(self._room.outlets)
        alone_s = min(LATE_FACTOR * late_s, GATHER_FACTOR * took_s)
        wanted_s = max(least_s, min(gather_s + alone_s, LONGEST_PAUSE_S))
        began_s = self._clock.monotonic_s()
        await asyncio.sleep(wanted_s)
        return max(0.0, self._clock.monotonic_s() - began_s - wanted_s)

    async def _next(self, follower: Follower) -> Taken | None:
        """What there is to do: nothing but what is held back, when its time has come; None at the
        end of the feed."""
        dues = [due for group in self._groups.values() if (due := group.due_ns()) is not None]
        wait_s = max(0.0, (min(dues) - self._clock.wall_ns()) / 1e9) if dues else None
        try:
            async with asyncio.timeout(wait_s):
                taken = await follower.read(limits.TAIL_BATCH_BYTES)
        except TimeoutError:
            return Taken([], {})
        return taken if taken.frames or taken.passed else None

    async def _give_out(self, taken: Taken) -> float:
        """Seconds of Python's work on the rows."""
        unread = Counter(taken.passed)
        frames = self._within_allowance(taken.frames, unread)
        self._take_off(taken.frames)
        self._forms.update({group: group.forms for group in self._groups.values()})
        read = await self._decoded(frames, unread) if frames else []
        self._metrics.add("tailrace_tail_rows_total", sum(len(one.rows) for one in read))
        began = self._clock.monotonic_s()
        passed = await asyncio.to_thread(evaluate, read, dict(self._forms), self._clock.wall_ns())
        self._unread(unread)
        for group, messages in passed.items():
            _put(group.outlets, messages)
        return self._clock.monotonic_s() - began

    async def _decoded(self, frames: Sequence[Frame], unread: Counter[str]) -> list[Read]:
        if known := skipping.texts(self._forms, self._engine_queries):
            frames = await asyncio.to_thread(skipping.wanted, frames, known)
        if not frames:
            return []
        bind = Binder()
        condition = may_pass(self._forms, bind, self._engine_queries)
        most = limits.TAIL_BATCH_ROWS
        read = []
        found = await self._rows.rows(frames, COLUMNS, condition, bind.values, most)
        for frame, rows in zip(frames, found, strict=True):
            header = frame.header
            if rows is None:
                unread[header.tenant] += header.rows
                continue
            taken = rows[0][:most]
            most -= len(taken)
            unread[header.tenant] += len(rows[0]) - len(taken) + rows[1]
            read.append(Read(header.tenant, header.key[1:], taken))
        return read

    def _within_allowance(self, frames: Iterable[Frame], unread: Counter[str]) -> list[Frame]:
        now_s, tenants = self._clock.monotonic_s(), len(self._tenants)
        kept = []
        for frame in frames:
            header = frame.header
            if self._allowance.take(header.tenant, header.bytes, tenants, now_s):
                kept.append(frame)
            else:
                unread[header.tenant] += header.rows
        return kept

    def _take_off(self, frames: Sequence[Frame]) -> None:
        """These are being worked on; what waited before them was passed over."""
        if not frames:
            return
        last = frames[-1].header
        while self._waiting:
            name = next(iter(self._waiting))
            self._flying[name] = self._waiting.pop(name)
            if name == (last.tenant, last.key[1:]):
                return

    def _unread(self, unread: Counter[str]) -> None:
        for tenant, lines in (+unread).items():
            self._metrics.add("tailrace_tail_dropped_total", lines, "busy")
            for outlet in self._room.outlets:
                if outlet.tenant == tenant:
                    outlet.unread(TOO_MANY, lines)


def _put(outlets: Iterable[Outlet], messages: dict[bool, list[Parcel]]) -> None:
    for outlet in tuple(outlets):
        for parcel in messages.get(outlet.categorize, ()):
            outlet.put(parcel)


def _rows_by_tenant(frames: Iterable[Frame]) -> Counter[str]:
    found: Counter[str] = Counter()
    for frame in frames:
        found[frame.header.tenant] += frame.header.rows
    return found


def _busy(message: str) -> Busy:
    return Busy(message, BUSY_RETRY_S)
