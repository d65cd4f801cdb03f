"""Who is running, late, silent and stopped, and what was lost, on the real control store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from places import Place

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.fleet import Announcement, Loss
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.database import NAME
from tailrace.governance.fleet import STATES, Agents, Fleet
from tailrace.governance.schema import LOSSES

LOSS = Loss("a", 1, 10, 19, 100, 1_000, "spool_full", 5)
Use = Callable[[Fleet], Awaitable[None]]


def said(source: str = "a", **fields: Any) -> Announcement:
    known: dict[str, Any] = {
        "source": source, "version": "1", "host": f"host-{source}", "pid": 1, "started_ns": 1,
        "interval_s": 15.0,
    }  # fmt: skip
    return Announcement(**{**known, **fields})


class Server:
    """A fleet whose clock is driven; each `run` is a process of its own on the same store."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = ManualClock()
        self.metrics = Metrics()

    def run(self, use: Use) -> None:
        async def work(control: Control) -> None:
            fleet = Fleet(control, self.clock, self.metrics)
            await fleet.open()
            await use(fleet)

        self.place.use(work)


@pytest.fixture
def server(place: Place) -> Server:
    return Server(place)


async def listed(fleet: Fleet, *states: Any, limit: int = 100) -> Agents:
    return await fleet.agents("default", states or STATES, limit)


async def states(fleet: Fleet) -> dict[str, str]:
    return {agent.source: agent.state for agent in (await listed(fleet)).agents}


def test_an_agent_that_ends_without_a_word_is_late_and_then_silent(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        began_ns = server.clock.wall_ns()
        await fleet.announce("default", said())
        seen = []
        for _ in range(6):
            (agent,) = (await listed(fleet)).agents
            seen.append(agent.state)
            assert agent.since_ns == began_ns
            server.clock.advance(10.0)
        assert seen == ["running", "running", "running", "late", "late", "silent"]
        fleet.measure()
        assert server.metrics.get("tailrace_agents", "silent") == 1
        assert server.metrics.get("tailrace_agents", "running") == 0
        await fleet.announce("default", said())
        (agent,) = (await listed(fleet)).agents
        assert (agent.state, agent.since_ns) == ("running", server.clock.wall_ns())
        assert agent.first_seen_ns == began_ns

    server.run(use)


def test_what_an_agent_may_still_have_is_known_from_its_spool_and_its_last_word(
    server: Server,
) -> None:
    async def use(fleet: Fleet) -> None:
        def waits_s(tenant: str = "default") -> float | None:
            since_ns = fleet.waiting_ns(tenant)
            return None if since_ns is None else (server.clock.wall_ns() - since_ns) / 1e9

        assert waits_s() is None
        await fleet.announce("default", said("a"))
        server.clock.advance(20.0)  # whatever it read meanwhile
        await fleet.announce("default", said("b", spool_age_s=7_200.0))
        assert waits_s() == pytest.approx(7_200)
        assert waits_s("other") is None
        await fleet.announce("default", said("b"))
        assert waits_s() == pytest.approx(20)
        await fleet.announce("default", said("a", stopping=True))
        server.clock.advance(5.0)
        assert waits_s() == pytest.approx(5)  # b is running
        await fleet.announce("default", said("a", stopping=True, spool_age_s=60.0))
        assert waits_s() == pytest.approx(60)
        server.clock.advance(2 * 86_400.0)  # neither is waited for any more
        assert waits_s() is None

    server.run(use)


def test_an_agent_that_says_it_stops_is_never_silent(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("default", said())
        await fleet.announce("default", said(stopping=True))
        server.clock.advance(86_400.0)
        assert await states(fleet) == {"a": "stopped"}
        await fleet.announce("default", said(started_ns=2))
        assert await states(fleet) == {"a": "running"}

    server.run(use)


def test_a_clock_that_jumps_makes_nobody_silent(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("default", said())
        server.clock.jump_wall(86_400.0)
        assert await states(fleet) == {"a": "running"}

    server.run(use)


def test_a_server_that_was_away_calls_silent_only_who_was(server: Server) -> None:
    async def before(fleet: Fleet) -> None:
        await fleet.announce("default", said("gone"))
        server.clock.advance(60.0)
        await fleet.announce("default", said("here"))
        await fleet.announce("default", said("done", stopping=True))

    async def after(fleet: Fleet) -> None:
        assert await states(fleet) == {"gone": "silent", "here": "running", "done": "stopped"}
        server.clock.advance(46.0)
        assert (await states(fleet))["here"] == "silent"

    server.run(before)
    server.clock.advance(3_600.0)
    server.run(after)


def test_the_silent_come_first_and_a_list_is_bounded(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        for name in "dcb":
            await fleet.announce("default", said(name))
        server.clock.advance(60.0)
        await fleet.announce("default", said("a"))
        found = await listed(fleet, limit=2)
        assert [agent.source for agent in found.agents] == ["b", "c"]
        assert found.truncated
        assert found.counts == {"silent": 3, "running": 1}
        only = await listed(fleet, "running")
        assert [agent.source for agent in only.agents] == ["a"]
        assert not only.truncated

    server.run(use)


def test_a_list_is_bounded_in_bytes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(fleet: Fleet) -> None:
        for name in "abc":
            await fleet.announce("default", said(name))
        one = len((await listed(fleet, limit=1)).agents[0].announcement)
        monkeypatch.setattr(limits, "FLEET_ANSWER_BYTES", 2 * one)
        found = await listed(fleet)
        assert (len(found.agents), found.truncated) == (2, True)

    server.run(use)


def test_tenants_do_not_see_one_another(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("one", said(losses=[LOSS]))
        await fleet.announce("two", said())
        assert (await fleet.agents("one", STATES, 9)).agents[0].lost_rows == 100
        assert (await fleet.agents("two", STATES, 9)).agents[0].lost_rows == 0
        assert await fleet.losses("two", 0, 9) == []

    server.run(use)


def test_a_loss_that_is_said_again_is_one_and_may_grow(server: Server) -> None:
    grown = msgspec.structs.replace(LOSS, last_seq=29, rows=150, bytes=1_500)

    async def use(fleet: Fleet) -> None:
        for losses in ([LOSS], [LOSS, LOSS], [grown], [LOSS]):
            assert await fleet.announce("default", said(losses=losses)) == len(losses)
        (kept,) = await fleet.losses("default", 0, 9)
        assert (kept["first_seq"], kept["last_seq"], kept["rows"]) == (10, 29, 150)
        assert server.metrics.get("tailrace_agent_losses_rows_total", "spool_full") == 150
        assert (await listed(fleet)).agents[0].lost_rows == 150

    server.run(use)


def test_a_reason_that_is_not_known_makes_no_label(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("default", said(losses=[msgspec.structs.replace(LOSS, reason="x")]))
        assert server.metrics.get("tailrace_agent_losses_rows_total", "other") == 100

    server.run(use)


def test_no_number_of_rows_makes_the_list_fail(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        for seq in range(3):
            loss = msgspec.structs.replace(LOSS, first_seq=seq, rows=2**63 - 1)
            await fleet.announce("default", said(losses=[loss]))
        assert msgspec.json.encode(await listed(fleet))
        assert (await listed(fleet)).agents[0].lost_rows == 2**63 - 1

    server.run(use)


def test_two_agents_of_one_name_are_told_of(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("default", said(started_ns=1))
        await fleet.announce("default", said(started_ns=2))
        assert not caplog.records
        await fleet.announce("default", said(started_ns=1))
        assert "was its directory copied?" in caplog.text

    server.run(use)


def test_losses_are_listed_from_a_time_on_the_newest_first(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        for seq in (1, 2, 3):
            loss = msgspec.structs.replace(LOSS, first_seq=seq, last_seq=seq)
            await fleet.announce("default", said(losses=[loss]))
            server.clock.advance(10.0)
        since = server.clock.wall_ns() - 21 * 10**9
        found = await fleet.losses("default", since, 9)
        assert [loss["first_seq"] for loss in found] == [3, 2]
        assert msgspec.json.decode(msgspec.json.encode(found)) == found
        assert len(await fleet.losses("default", 0, 2)) == 2

    server.run(use)


def test_the_bounds_hold_and_the_longest_unheard_go(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AGENTS_PER_TENANT", 3)
    monkeypatch.setattr(limits, "LOSSES_PER_TENANT", 2)

    async def use(fleet: Fleet) -> None:
        for seq, name in enumerate("abcda", 1):
            loss = msgspec.structs.replace(LOSS, first_seq=seq, last_seq=seq)
            await fleet.announce("default", said(name, losses=[loss]))
            server.clock.advance(1.0)
        assert set(await states(fleet)) == {"c", "d", "a"}
        found = await fleet.losses("default", 0, 9)
        assert [loss["first_seq"] for loss in found] == [5, 4]

    server.run(use)


def test_an_agent_is_forgotten_after_a_month(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet.announce("default", said("old", stopping=True))
        server.clock.advance(limits.AGENT_MEMORY_S + 1)
        assert await states(fleet) == {}
        await fleet.announce("default", said("new"))

    server.run(use)

    async def after(fleet: Fleet) -> None:
        assert await states(fleet) == {"new": "running"}

    server.run(after)


def damaged_after(directory: Path, data: bytes, offset: int = 0) -> None:
    async def use(fleet: Fleet) -> None:
        for number in range(200):  # pages enough that damage hits a table
            await fleet.announce("default", said(f"agent-{number}", gateway="x" * 200))

    Server(Place(directory)).run(use)
    with (directory / NAME).open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize(
    ("data", "offset"), [(b"this is no database at all", 0), (b"\xff" * 30_000, 8_192)]
)
def test_a_damaged_file_is_kept_aside_and_a_fresh_one_is_begun(
    tmp_path: Path, data: bytes, offset: int
) -> None:
    damaged_after(tmp_path, data, offset)
    server = Server(Place(tmp_path))

    async def use(fleet: Fleet) -> None:
        assert await states(fleet) == {}
        await fleet.announce("default", said(losses=[LOSS]))

    server.run(use)
    (kept,) = tmp_path.glob(f"{NAME}.damaged-*")
    assert data in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0

    async def after(fleet: Fleet) -> None:
        assert await states(fleet) == {"a": "running"}

    server.run(after)


def test_a_file_of_a_newer_tailrace_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer tailrace"):
        Server(Place(tmp_path)).run(lambda fleet: asyncio.sleep(0))
    assert not list(tmp_path.glob("*.damaged-*"))


def test_what_cannot_be_kept_is_an_error_and_changes_nothing(server: Server) -> None:
    async def use(fleet: Fleet) -> None:
        await fleet._control.run(LOSSES.drop)
        with pytest.raises(StoreError, match="losses"):
            await fleet.announce("default", said(losses=[LOSS]))
        assert fleet._heard == {}
        assert server.metrics.get("tailrace_agent_losses_rows_total", "spool_full") == 0

    server.run(use)
