"""The agents of every tenant: who was heard of, when, and what they lost.

An agent is late when it was not heard of for 1.5 of its intervals, silent for 3, and stopped when
it said so. Time is measured by the monotonic clock while this process runs; what passed while it
did not run counts for nobody, so a restart makes no agent silent.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.fleet import Announcement, State
from tailrace.core.metrics import Metrics
from tailrace.governance import losses
from tailrace.governance.control import Control
from tailrace.governance.schema import AGENTS

_log = log.get("governance")
LATE_INTERVALS = 1.5
SILENT_INTERVALS = 3
SWEEP_S = 3600.0
# An agent that was not heard of for longer is not waited for.
WAITED_FOR_S = 86_400.0
STATES: tuple[State, ...] = get_args(State)
# Words of the agent's code; any other is counted as "other", so that no sender makes labels.
REASONS = ("spool_full", "spool_age", "refused")
_c = AGENTS.c
_Key = tuple[str, str]  # tenant, source


class _Heard(msgspec.Struct):
    """What an agent's state follows from."""

    at_s: float
    interval_s: float
    stopped: bool
    started_ns: int
    host: str
    skew_s: float
    spool_age_s: float


class Agent(msgspec.Struct, frozen=True):
    """One agent in an answer. Times are the server's clock, UTC nanoseconds.

    `since_ns`: since when it is in this state; a running one since its start was heard of.
    """

    source: str
    state: State
    since_ns: int
    first_seen_ns: int
    last_seen_ns: int
    lost_rows: int
    announcement: msgspec.Raw


class Agents(msgspec.Struct, frozen=True):
    """`counts` of all by state; `truncated` when there are more than are listed."""

    agents: list[Agent]
    counts: dict[str, int]
    truncated: bool


class Fleet:
    """A Registry. One for each process and event loop; `open` before anything else."""

    def __init__(self, control: Control, clock: Clock, metrics: Metrics) -> None:
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._heard: dict[_Key, _Heard] = {}
        self._swept_s = clock.monotonic_s()

    async def open(self) -> None:
        """Remember who is known. Raises StoreError."""
        rows = await self._control.read(_load)
        newest_ns = max((row[2] for row in rows), default=0)
        now_s = self._clock.monotonic_s()
        for tenant, source, last_ns, announcement in rows:
            said = msgspec.json.decode(announcement, type=Announcement)
            at_s = now_s - (newest_ns - last_ns) / 1e9
            self._heard[(tenant, source)] = _heard(said, at_s, last_ns)

    async def announce(self, tenant: str, said: Announcement) -> int:
        """Keep it and its losses. See core.contracts.Registry."""
        key, now_ns, now_s = (tenant, said.source), self._clock.wall_ns(), self._clock.monotonic_s()
        before = self._heard.get(key)
        if before is not None and said.started_ns < before.started_ns:
            # Both number their frames alike, so the one's are taken for the other's.
            _log.error(
                "an older run of an agent speaks after a newer one: was its directory copied?",
                extra={"source": said.source, "host": said.host, "other": before.host},
            )
        fresh = (
            before is None
            or before.started_ns != said.started_ns
            or self._state(before, now_s) in ("silent", "stopped")
        )
        gone = self._make_room(tenant, now_s) if before is None else []

        def write(connection: Connection) -> Counter[str]:
            for old in gone:
                connection.execute(delete(AGENTS).where(_is(old)))
            _keep(connection, tenant, said, now_ns, fresh)
            return losses.keep(connection, tenant, said.losses, now_ns)

        lost = await self._control.run(write, durable=bool(said.losses))
        for old in gone:
            self._heard.pop(old, None)
        self._heard[key] = _heard(said, now_s, now_ns)
        for reason, rows in lost.items():
            label = reason if reason in REASONS else "other"
            self._metrics.add("tailrace_agent_losses_rows_total", rows, label)
        return len(said.losses)

    def _make_room(self, tenant: str, now_s: float) -> list[_Key]:
        """Who is forgotten for a new agent: the long gone, and at the bound the longest unheard."""
        full = len(self._heard) >= limits.AGENTS_PER_TENANT
        if not full and now_s - self._swept_s < SWEEP_S:
            return []
        self._swept_s = now_s
        oldest_s = now_s - limits.AGENT_MEMORY_S
        gone = {key for key, heard in self._heard.items() if heard.at_s < oldest_s}
        left = [key for key in self._heard if key[0] == tenant and key not in gone]
        if len(left) >= limits.AGENTS_PER_TENANT:
            _log.warning("more agents than are remembered; the longest unheard of goes")
            gone.add(min(left, key=lambda key: self._heard[key].at_s))
        return list(gone)

    def _state(self, heard: _Heard, now_s: float) -> State:
        quiet = (now_s - heard.at_s) / heard.interval_s
        if heard.stopped:
            return "stopped"
        if quiet > SILENT_INTERVALS:
            return "silent"
        return "late" if quiet > LATE_INTERVALS else "running"

    def measure(self) -> None:
        """Set the gauges of agents by state, and of their clocks."""
        now_s = self._clock.monotonic_s()
        states = [(self._state(heard, now_s), heard) for heard in self._heard.values()]
        counts = Counter(state for state, _ in states)
        skews = [heard.skew_s for state, heard in states if state in ("running", "late")]
        self._metrics.set("tailrace_agents_clock_skew_seconds", max(skews, default=0.0))
        for state in STATES:
            self._metrics.set("tailrace_agents", counts[state], state)

    def waiting_ns(self, tenant: str) -> int | None:
        """Since when an agent of the tenant may have what it has not delivered, in either lane, UTC
        nanoseconds: the oldest in its spool, or its last word. Of those heard of within
        WAITED_FOR_S; None where none has anything."""
        now_s, now_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        quiet_s = [
            now_s - heard.at_s + heard.spool_age_s
            for (whose, _), heard in self._heard.items()
            if whose == tenant
            and now_s - heard.at_s <= WAITED_FOR_S
            and (heard.spool_age_s or not heard.stopped)
        ]
        return now_ns - int(max(quiet_s) * 1e9) if quiet_s else None

    async def agents(self, tenant: str, states: tuple[State, ...], limit: int) -> Agents:
        """At most `limit` agents in one of `states`, the silent first. Raises StoreError."""
        now_s = self._clock.monotonic_s()
        found = {
            key[1]: (self._state(heard, now_s), heard.host)
            for key, heard in self._heard.items()
            if key[0] == tenant and now_s - heard.at_s <= limits.AGENT_MEMORY_S
        }
        counts = Counter[str](state for state, _ in found.values())
        order = sorted(
            (STATES.index(state), host, source)
            for source, (state, host) in found.items()
            if state in states
        )
        wanted = [source for _, _, source in order[:limit]]

        def read(connection: Connection) -> list[Agent]:
            return _read(connection, tenant, {source: found[source][0] for source in wanted})

        listed = await self._control.read(read)
        return Agents(listed, dict(counts), len(listed) < len(order))

    async def losses(self, tenant: str, since_ns: int, limit: int) -> list[dict[str, Any]]:
        """The losses heard of since then, newest first. Raises StoreError."""
        return await self._control.read(partial(losses.since, tenant, since_ns, limit))


def _heard(said: Announcement, at_s: float, at_ns: int) -> _Heard:
    """`at_s` and `at_ns` are the server's clocks when it was heard."""
    skew_s = abs(said.now_ns - at_ns) / 1e9 if said.now_ns else 0.0
    return _Heard(
        at_s,
        said.interval_s,
        said.stopping,
        said.started_ns,
        said.host,
        skew_s,
        said.spool_age_s,
    )


def _load(connection: Connection) -> list[tuple[str, str, int, bytes]]:
    wanted = select(_c.tenant, _c.source, _c.last_seen_ns, _c.announcement)
    return list(connection.execute(wanted))


def _is(key: _Key) -> ColumnElement[bool]:
    return and_(_c.tenant == key[0], _c.source == key[1])


def _keep(
    connection: Connection, tenant: str, said: Announcement, now_ns: int, fresh: bool
) -> None:
    words = msgspec.json.encode(msgspec.structs.replace(said, losses=[]))
    news = {"last_seen_ns": now_ns, "announcement": words} | ({"since_ns": now_ns} if fresh else {})
    known = connection.execute(update(AGENTS).where(_is((tenant, said.source))).values(news))
    if not known.rowcount:
        first = {"first_seen_ns": now_ns, "since_ns": now_ns}
        key = {"tenant": tenant, "source": said.source}
        connection.execute(insert(AGENTS).values(key | news | first))


def _read(connection: Connection, tenant: str, states: dict[str, State]) -> list[Agent]:
    """The agents of `states` in their order, as many as an answer holds."""
    lost = losses.rows_by_source(connection, tenant)
    wanted = select(_c.first_seen_ns, _c.last_seen_ns, _c.since_ns, _c.announcement)
    found, size = [], 0
    for source, state in states.items():
        row = connection.execute(wanted.where(_is((tenant, source)))).one_or_none()
        if row is None:
            continue
        first_ns, last_ns, since_ns, words = row
        size += len(words)
        if size > limits.FLEET_ANSWER_BYTES:
            break
        since = since_ns if state == "running" else last_ns
        rows = lost.get(source, 0)
        found.append(Agent(source, state, since, first_ns, last_ns, rows, msgspec.Raw(words)))
    return found
