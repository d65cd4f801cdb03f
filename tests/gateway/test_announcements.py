"""POST /agents/announce: what is heard, and what every kind of wrong is told."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
from doors import behind, of_tenant
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Receipt
from tailrace.core.errors import InputError, StoreError
from tailrace.core.fleet import PATH
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.gateway.fleet import decode
from tailrace.gateway.routes import routes

from .neighbours import MemoryRegistry

GOOD: dict[str, Any] = {
    "source": "agent-1", "version": "1", "host": "h", "pid": 1, "started_ns": 1, "interval_s": 15,
    "inputs": [{"type": "files", "named": "/a", "rows": 3}], "inputs_total": 1,
    "losses": [{"source": "agent-1", "epoch": 1, "first_seq": 1, "last_seq": 2, "rows": 1,
                "bytes": 1, "reason": "spool_full", "at_ns": 1}],
    "settled": [{"source": "agent-1", "epoch": 1, "from_seq": 1, "before_seq": 2, "next_seq": 3}],
}  # fmt: skip


class NoSink:
    """Where no frame comes."""

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        raise AssertionError

    async def close(self, deadline_s: float) -> None: ...


Use = Callable[[httpx.AsyncClient, MemoryRegistry], Awaitable[None]]


def run(use: Use, token: str = "") -> None:
    async def main() -> None:
        registry = MemoryRegistry()
        door = Door(NoSink(), ManualClock(), Metrics())
        app = behind(token, of_tenant("shop", Starlette(routes=routes(door, registry))))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await use(client, registry)
        door.close()

    asyncio.run(main())


def changed(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def test_an_announcement_is_heard_under_the_credentials_tenant() -> None:
    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        body = changed(tenant="another", future={"x": 1})
        for encoding, sent in (("identity", body), ("gzip", gzip.compress(body))):
            answer = await client.post(PATH, content=sent, headers={"Content-Encoding": encoding})
            assert (answer.status_code, answer.json()) == (200, {"confirmed_losses": 1})
        assert [tenant for tenant, _ in registry.heard] == ["shop", "shop"]
        assert registry.heard[0][1].inputs[0].named == "/a"

    run(use)


def test_nobody_is_heard_without_the_token() -> None:
    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        assert (await client.post(PATH, content=changed())).status_code == 401
        assert not registry.heard

    run(use, token="secret")


LOSS = GOOD["losses"][0]
SETTLED = GOOD["settled"][0]
HOSTILE = [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b"\xff\xfe", 400), (b"[" * 60_000, 400),
    (changed(source=""), 400), (changed(source="x" * 201), 400), (changed(source="a\x1b[2J"), 400),
    (changed(source=3), 400), (changed(host="a\nb"), 400), (changed(interval_s=0), 400),
    (changed(interval_s=1e9), 400), (changed(interval_s="15"), 400), (changed(pid=-1), 400),
    (changed(lines=2**63), 400), (changed(cpu_share=-0.5), 400), (changed(stopping="yes"), 400),
    (changed(dropped={"Not A Word": 1}), 400), (changed(dropped={"x": -1}), 400),
    (changed(inputs=[{"type": "x"}] * (limits.ANNOUNCED_INPUTS + 1)), 400),
    (changed(losses=[LOSS] * (limits.ANNOUNCED_LOSSES + 1)), 400),
    (changed(losses=[{**LOSS, "reason": "<script>"}]), 400),
    (changed(losses=[{**LOSS, "last_seq": 0}]), 400),
    (changed(losses=[{**LOSS, "rows": 1e400}]), 400),
    (changed(settled=[SETTLED] * (limits.ANNOUNCED_NUMBERINGS + 1)), 400),
    (changed(settled=[{**SETTLED, "before_seq": 4}]), 400),
    (changed(settled=[{**SETTLED, "from_seq": 4}]), 400),
    (changed(settled=[{**SETTLED, "source": "a\nb"}]), 400),
    (changed(settled=[{**SETTLED, "next_seq": 2**63}]), 400),
    (changed(host="\ud800"), 400),
    (b" " * (limits.ANNOUNCEMENT_BYTES + 1), 413),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_announcement_is_refused_and_changes_nothing(body: bytes, status: int) -> None:
    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        answer = await client.post(PATH, content=body)
        assert answer.status_code == status, answer.text
        assert answer.json()["reason"] in ("announcement", "body")
        assert not registry.heard

    run(use)


def test_a_bomb_is_refused_while_it_expands() -> None:
    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        bomb = gzip.compress(b" " * 32 * limits.MIB)
        answer = await client.post(PATH, content=bomb, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        answer = await client.post(PATH, content=b"x", headers={"Content-Encoding": "br"})
        assert answer.status_code == 415
        assert (await client.get(PATH)).status_code == 405
        assert not registry.heard

    run(use)


def test_beyond_what_is_read_at_the_same_time_an_announcement_waits_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ANNOUNCEMENTS_BYTES", 2 * limits.ANNOUNCEMENT_BYTES)

    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        begun, go = asyncio.Semaphore(0), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            begun.release()
            await go.wait()
            yield changed()

        async with asyncio.TaskGroup() as group:
            posts = [group.create_task(client.post(PATH, content=slow())) for _ in range(3)]
            await begun.acquire()
            await begun.acquire()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await begun.acquire()
            go.set()
        assert [post.result().status_code for post in posts] == [200] * 3

    run(use)


def test_what_cannot_be_kept_may_be_said_again() -> None:
    async def use(client: httpx.AsyncClient, registry: MemoryRegistry) -> None:
        registry.failure = StoreError("disk full at /secret/path")
        answer = await client.post(PATH, content=changed())
        assert answer.status_code == 503
        assert "secret" not in answer.text

    run(use)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_announcement_or_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        decode(data)
